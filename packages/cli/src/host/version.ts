/** The versions of client and host. A host that cannot be reached is told on standard error, and by the exit code. */
import { PlatformError } from "@liquidmetal/foundation";
import type { HostClient } from "../client/host-client.ts";
import { renderFields, toYaml } from "../output/print.ts";
import { buildVersion } from "../program/build-version.ts";
import type { Invocation } from "../program/command.ts";
import type { Session } from "../program/session.ts";

const hostTimeoutMs = 5_000;

interface HostVersion {
  readonly address: string;
  readonly version: string;
}

export async function showVersions(invocation: Invocation, session: Session): Promise<number | undefined> {
  const client = buildVersion();
  let host: HostVersion | undefined;
  let failure: PlatformError | undefined;
  if (!invocation.flags.on("client")) {
    try {
      host = await hostVersion(session);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code === "CANCELLED") throw error;
      failure = error;
    }
  }
  const shown = {
    client: { version: client.version, commit: client.commit, node: process.version },
    host: host === undefined ? null : { address: host.address, version: host.version },
  };
  if (session.format === "json") session.print(JSON.stringify(shown, null, 2));
  else if (session.format === "yaml") session.print(await toYaml(shown));
  else if (session.format === "name") session.print(client.version);
  else {
    const commit = client.commit === "" ? "" : ` (${client.commit.slice(0, 12)})`;
    session.print(
      renderFields([
        ["Client", `${client.version}${commit}, Node ${process.version}`],
        ["Host", host === undefined ? "" : `${host.version} at ${host.address}`],
      ]),
    );
  }
  if (failure !== undefined) session.note(`The host's version is not known: ${failure.message} (${failure.remedy})`);
  return undefined;
}

async function hostVersion(session: Session): Promise<HostVersion> {
  const host: HostClient = await session.host();
  const options = { signal: session.signal, timeoutMs: hostTimeoutMs };
  try {
    return { address: host.address, version: await host.serverVersion(options) };
  } catch (error) {
    if (!(error instanceof PlatformError) || error.kind !== "unsupported") throw error;
    return { address: host.address, version: "of a flintlock server that does not tell" };
  }
}
