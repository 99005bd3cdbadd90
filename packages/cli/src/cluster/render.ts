/** From the command line to the objects of a cluster: template, images, variables, network. */
import type { KubernetesObject } from "@liquidmetal/kubernetes";
import type { Image } from "../client/messages.ts";
import { type FlagValues, usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { versionText } from "./kubernetes-version.ts";
import { localControlPlaneAddresses, localHostEndpoint } from "./local-platform.ts";
import { fillIn } from "./template/fill-in.ts";
import { inNamespace, parseManifests, withNetwork, withoutNetwork } from "./template/manifests.ts";
import { chooseImages, isComplete, type MachineImages, type NamedImages } from "./template/node-images.ts";
import { type ChosenTemplate, fileTemplate, flavourTemplate, networkTemplate } from "./template/templates.ts";
import { settings, templateVariablesOf } from "./template/variables.ts";

export interface RenderedCluster {
  readonly objects: readonly KubernetesObject[];
  /** A ClusterClass with its templates, which clusters share; empty where none is needed. */
  readonly classObjects: readonly KubernetesObject[];
}

export interface RenderTarget {
  readonly name: string;
  readonly namespace: string;
  /** On the local platform, what was not said is looked for there. */
  readonly local: boolean;
}

/** Throws REQUEST_INVALID or IMAGE_NOT_FOUND with what to say or make. */
export async function renderCluster(session: Session, target: RenderTarget): Promise<RenderedCluster> {
  const { flags } = session;
  const { name, namespace, local } = target;
  const flavour = chosenFlavour(flags, local);
  const template = await (flavour.file === undefined ? flavourTemplate(flavour.name) : fileTemplate(flavour.file));
  const images = await imagesFor(session, target, flavour.file === undefined);
  const pooled = flavour.file === undefined && flavour.name === "embedded";
  const addressPool = pooled ? await pool(session, local) : [];
  const said = settings(flags);
  const hosts = flags.list("host").flatMap((each) => each.split(","));
  if (hosts.length === 0 && local && said["HOST_ENDPOINT"] === undefined) hosts.push(await localHostEndpoint(session));
  if (hosts.length === 0 && said["HOST_ENDPOINT"] === undefined && flavour.file === undefined)
    throw usage(
      "which hosts shall the machines run on?",
      "name flintlockd's address with --host HOST:PORT, once for each",
    );
  const values = templateVariablesOf({
    ...{ name, namespace, flags, hosts, addressPool },
    ...(images === undefined ? {} : { images }),
  });
  const filled = inNamespace(parseManifests(fillIn(template.text, values)), namespace);
  const classObjects = inNamespace(parseManifests(template.classText), namespace);
  return { objects: await networked(filled, { flags, name, namespace, values, template }), classObjects };
}

interface Flavour {
  readonly name: string;
  readonly file?: string;
}

function chosenFlavour(flags: FlagValues, local: boolean): Flavour {
  const from = flags.text("from");
  const flavour = flags.text("flavor");
  if (from !== undefined && flavour !== undefined) throw usage("--from and --flavor contradict each other");
  if (from === "clusterclass") return { name: "topology" };
  if (from !== undefined) return { name: "", file: from };
  if (flavour !== undefined) return { name: flavour };
  return { name: local && !flags.given("endpoint") ? "embedded" : "keepalived" };
}

/** Undefined where a template of one's own may not want images. */
async function imagesFor(session: Session, target: RenderTarget, needed: boolean): Promise<MachineImages | undefined> {
  const { flags } = session;
  const version = flags.text("kubernetes-version");
  const said = settings(flags);
  const texts: Readonly<Record<keyof NamedImages, string | undefined>> = {
    version: version === undefined ? said["KUBERNETES_VERSION"] : versionText(version),
    root: flags.text("image") ?? said["MVM_ROOT_IMAGE"],
    kernel: flags.text("kernel") ?? said["MVM_KERNEL_IMAGE"],
    kernelFile: flags.text("kernel-file"),
    initrd: flags.text("initrd"),
    initrdFile: flags.text("initrd-file"),
  };
  const named: NamedImages = Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== undefined));
  if (isComplete(named)) return chooseImages(named, await presentImages(session, target.local).catch(() => []));
  if (!needed && !target.local) return undefined;
  if (target.local) return chooseImages(named, await presentImages(session, true));
  const missing = [
    ...(named.version === undefined ? ["--kubernetes-version"] : []),
    ...(named.root === undefined ? ["--image"] : []),
    ...(named.kernel === undefined ? ["--kernel"] : []),
  ];
  throw usage(
    `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} missing: the hosts' images are not known here`,
    "name images that the hosts have or can pull ('lm image build node/kubernetes' and 'lm image build kernel/distro' make them)",
  );
}

async function presentImages(session: Session, local: boolean): Promise<readonly Image[]> {
  // With --host the images are those of hosts that this machine may not reach.
  if (!local || session.flags.given("host")) return [];
  return (await session.host()).images({ signal: session.signal });
}

async function pool(session: Session, local: boolean): Promise<readonly string[]> {
  const said = settings(session.flags)["CONTROL_PLANE_ADDRESSES"];
  if (said !== undefined) return [said];
  const found = local ? await localControlPlaneAddresses(session) : undefined;
  if (found === undefined)
    throw usage(
      "which addresses may control planes hold?",
      "say --set CONTROL_PLANE_ADDRESSES=FIRST-LAST, or one with --endpoint",
    );
  if (!found.shared) {
    session.warn(
      `the platform does not share ${found.addresses.join(", ")} between guests: run 'lm up --set network-shared=CIDR' for the endpoint's and the pods' networks`,
    );
  }
  return found.addresses;
}

interface Networked {
  readonly flags: FlagValues;
  readonly name: string;
  readonly namespace: string;
  readonly values: Readonly<Record<string, string>>;
  readonly template: ChosenTemplate;
}

async function networked(
  objects: readonly KubernetesObject[],
  { flags, name, namespace, values }: Networked,
): Promise<readonly KubernetesObject[]> {
  const wanted = flags.text("cni");
  if (wanted === undefined) return objects;
  if (wanted === "false") return withoutNetwork(objects, name);
  if (wanted !== "" && wanted !== "true") throw usage(`--cni=${wanted}: say true or false`);
  const network = inNamespace(parseManifests(fillIn(await networkTemplate(), values)), namespace);
  return withNetwork(objects, network, name);
}
