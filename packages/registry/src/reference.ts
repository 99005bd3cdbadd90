/**
 * Image references, completed as everyone's tools complete them: `alpine` is `docker.io/library/alpine:latest`.
 *
 * Source: the grammar of github.com/distribution/reference. (Upstream passes short names through and fails later; we complete them.)
 */
import { PlatformError } from "@liquidmetal/foundation";

export interface ImageReference {
  /** Host and port of the registry, for example `docker.io` or `localhost:5000`. */
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
  /** The whole, completed. */
  readonly name: string;
}

const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`);
const registryPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** Throws IMAGE_REFERENCE_INVALID. */
export function parseReference(text: string): ImageReference {
  const fail = (why: string): never => {
    throw new PlatformError("IMAGE_REFERENCE_INVALID", `'${text.slice(0, 300)}' is not an image reference: ${why}`);
  };
  if (text.length === 0) fail("it is empty");
  if (text.length > 512) fail("it is longer than 512 characters");
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const named = at < 0 ? text : text.slice(0, at);
  if (digest !== undefined && !digestPattern.test(digest)) fail("its digest is not sha256:<64 hexadecimal digits>");
  const slash = named.indexOf("/");
  const first = slash < 0 ? "" : named.slice(0, slash);
  const hasRegistry = first !== "" && (/[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase());
  const registry = hasRegistry ? (first === "index.docker.io" ? "docker.io" : first) : "docker.io";
  const rest = hasRegistry ? named.slice(slash + 1) : named;
  const colon = rest.lastIndexOf(":");
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const repository = registry === "docker.io" && !path.includes("/") ? `library/${path}` : path;
  if (!registryPattern.test(registry)) fail(`'${registry}' is not a host`);
  if (!repositoryPattern.test(repository))
    fail(`'${path}' is not a repository name (lower case, digits, and - _ . / between)`);
  if (repository.length > 255) fail("its repository name is longer than 255 characters");
  if (tag !== undefined && !tagPattern.test(tag)) fail(`'${tag}' is not a tag`);
  const actualTag = tag ?? (digest === undefined ? "latest" : undefined);
  return {
    registry,
    repository,
    ...(actualTag === undefined ? {} : { tag: actualTag }),
    ...(digest === undefined ? {} : { digest }),
    name: `${registry}/${repository}${actualTag === undefined ? "" : `:${actualTag}`}${digest === undefined ? "" : `@${digest}`}`,
  };
}
