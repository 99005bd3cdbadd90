/** Changes to the file of contexts. */
import { resolve } from "node:path";
import { parseHostAddress } from "../client/host-address.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { contextFilePath, currentContext, type HostContext, readContexts, writeContexts } from "./context-file.ts";

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export async function setContext(invocation: Invocation, session: Session): Promise<number | undefined> {
  const [name = ""] = invocation.positionals;
  const { flags } = invocation;
  const host = flags.text("host");
  if (!namePattern.test(name))
    throw usage(`'${name}' is not a name for a context`, "use letters, digits, dots, hyphens and underscores");
  if (host === undefined) throw usage("which host?", "give --host ADDRESS");
  parseHostAddress(host, { insecure: true });
  const path = (flag: string): string | undefined =>
    ((text) => (text === undefined ? undefined : resolve(text)))(flags.text(flag));
  const [tokenFile, tlsCa, tlsCert, tlsKey] = ["token-file", "tls-ca", "tls-cert", "tls-key"].map(path);
  const namespace = flags.text("namespace");
  const context: HostContext = {
    name,
    host,
    ...(namespace === undefined ? {} : { namespace }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(tlsCa === undefined ? {} : { tlsCa }),
    ...(tlsCert === undefined ? {} : { tlsCert }),
    ...(tlsKey === undefined ? {} : { tlsKey }),
    ...(flags.on("insecure") ? { insecure: true } : {}),
  };
  const file = await readContexts(session.terminal.env);
  const current = flags.on("use") ? name : file.current;
  await writeContexts(session.terminal.env, {
    ...(current === undefined ? {} : { current }),
    contexts: [...file.contexts.filter((each) => each.name !== name), context],
  });
  session.note(`Context ${name} is ${host} (${contextFilePath(session.terminal.env)}).`);
  return undefined;
}

export async function useContext(invocation: Invocation, session: Session): Promise<number | undefined> {
  const [name = ""] = invocation.positionals;
  const { contexts } = await readContexts(session.terminal.env);
  if (name === "-") {
    await writeContexts(session.terminal.env, { contexts });
    session.note("The local platform is used.");
    return undefined;
  }
  await currentContext(session.terminal.env, name);
  await writeContexts(session.terminal.env, { current: name, contexts });
  session.note(`Context ${name} is used.`);
  return undefined;
}

export async function removeContext(invocation: Invocation, session: Session): Promise<number | undefined> {
  const [name = ""] = invocation.positionals;
  const file = await readContexts(session.terminal.env);
  await currentContext(session.terminal.env, name);
  await writeContexts(session.terminal.env, {
    ...(file.current === undefined || file.current === name ? {} : { current: file.current }),
    contexts: file.contexts.filter((each) => each.name !== name),
  });
  session.note(`Context ${name} is forgotten.`);
  return undefined;
}
