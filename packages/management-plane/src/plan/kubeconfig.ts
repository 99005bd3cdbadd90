/** Files that tell a Kubernetes client where the API server is and who the client is. JSON, which is YAML. */
import { readFile } from "node:fs/promises";
import type { KeyPairFiles } from "../certificates/openssl.ts";

export type Identity =
  /** Read again by clients when they are renewed. */
  | { readonly files: KeyPairFiles }
  /** Of a service account; read again by clients every minute. */
  | { readonly tokenFile: string };

/** Refers to its files by absolute path, so that renewed ones are used without a restart. */
export function kubeconfig(server: string, authority: string, identity: Identity): string {
  const user =
    "files" in identity
      ? { "client-certificate": identity.files.certificate, "client-key": identity.files.key }
      : { tokenFile: identity.tokenFile };
  return render({ server, "certificate-authority": authority }, user);
}

/** Holds everything itself: for people and tools elsewhere on the machine. */
export async function embeddedKubeconfig(server: string, authority: string, files: KeyPairFiles): Promise<string> {
  const base64 = async (file: string): Promise<string> => (await readFile(file)).toString("base64");
  return render(
    { server, "certificate-authority-data": await base64(authority) },
    { "client-certificate-data": await base64(files.certificate), "client-key-data": await base64(files.key) },
  );
}

function render(cluster: Readonly<Record<string, string>>, user: Readonly<Record<string, string>>): string {
  const name = "liquidmetal";
  const document = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
