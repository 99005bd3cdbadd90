/** A throw-away certificate authority for tests, made with the openssl program: leaves for servers and clients, also expired ones. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  readonly certPath: string;
  readonly keyPath: string;
  readonly cert: Buffer;
  readonly key: Buffer;
}

export class TestAuthority implements Disposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), "lm-ca-"));
  readonly caPath: string = join(this.directory, "ca.pem");

  constructor() {
    const { directory } = this;
    writeFileSync(join(directory, "index.txt"), "");
    writeFileSync(join(directory, "serial"), "01\n");
    writeFileSync(join(directory, "ca.cnf"), configuration(directory));
    const subject = ["-subj", "/CN=test authority", "-days", "2"];
    this.#openssl("req", "-x509", ...newKey, "-keyout", join(directory, "ca.key"), "-out", this.caPath, ...subject);
  }

  get ca(): Buffer {
    return readFileSync(this.caPath);
  }

  /** A certificate for localhost and 127.0.0.1, valid for a day around now, or long over. */
  issue(name: string, validity: "valid" | "expired" = "valid"): Certificate {
    const path = (ending: string): string => join(this.directory, `${name}.${ending}`);
    this.#openssl("req", "-new", ...newKey, "-keyout", path("key"), "-out", path("csr"), "-subj", `/CN=${name}`);
    const dates =
      validity === "expired"
        ? ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"]
        : ["-startdate", "20200101000000Z", "-days", "36500"];
    const config = ["-config", join(this.directory, "ca.cnf")];
    this.#openssl("ca", "-batch", "-notext", ...config, "-in", path("csr"), "-out", path("pem"), ...dates);
    return {
      certPath: path("pem"),
      keyPath: path("key"),
      cert: readFileSync(path("pem")),
      key: readFileSync(path("key")),
    };
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #openssl(...args: readonly string[]): void {
    execFileSync("openssl", args, { stdio: "pipe" });
  }
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"] as const;

function configuration(directory: string): string {
  return `[ca]
default_ca = test
[test]
database = ${directory}/index.txt
serial = ${directory}/serial
new_certs_dir = ${directory}
certificate = ${directory}/ca.pem
private_key = ${directory}/ca.key
default_md = sha256
policy = any
unique_subject = no
x509_extensions = leaf
[any]
commonName = supplied
[leaf]
basicConstraints = CA:FALSE
subjectAltName = DNS:localhost,IP:127.0.0.1
`;
}
