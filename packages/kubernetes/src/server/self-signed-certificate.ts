/**
 * A certificate that its own key signed, for servers whose clients do not check it (as controller-runtime makes one for its metrics).
 *
 * Node cannot make certificates; this writes the few DER structures of one by hand: P-256, ECDSA with SHA-256, valid for a year from a day ago.
 * Source: RFC 5280 section 4.1, RFC 5480, X.690.
 */
import { generateKeyPair, sign } from "node:crypto";
import { promisify } from "node:util";
import type { CertificatePair } from "./serving-certificate.ts";

const dayMs = 86_400_000;

/** `commonName` in ASCII; `nowMs` is wall time. */
export async function selfSignedCertificate(commonName: string, nowMs: number): Promise<CertificatePair> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
  const name = sequence(set(sequence(identifier("2.5.4.3"), tagged(0x0c, Buffer.from(commonName, "ascii")))));
  const algorithm = sequence(identifier("1.2.840.10045.4.3.2"));
  const validity = sequence(time(nowMs - dayMs), time(nowMs + 365 * dayMs));
  const serverAuthentication = sequence(identifier("1.3.6.1.5.5.7.3.1"));
  const alternativeNames = sequence(tagged(0x82, Buffer.from("localhost")), tagged(0x87, Buffer.from([127, 0, 0, 1])));
  const extensions = sequence(
    sequence(identifier("2.5.29.37"), tagged(0x04, serverAuthentication)),
    sequence(identifier("2.5.29.17"), tagged(0x04, alternativeNames)),
  );
  const certificate = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, Buffer.from([1])),
    algorithm,
    name,
    validity,
    name,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, extensions),
  );
  const signature = sign("sha256", certificate, privateKey);
  const signed = sequence(certificate, algorithm, tagged(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = signed.toString("base64").match(/.{1,64}/g) ?? [];
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

/** One DER value: tag, length, content. */
function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function set(...parts: readonly Buffer[]): Buffer {
  return tagged(0x31, Buffer.concat(parts));
}

/** Each arc in base 128, high bits first; the first two are one. */
function identifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const digits = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      digits.unshift((left & 0x7f) | 0x80);
    return digits;
  });
  return tagged(0x06, Buffer.from(bytes));
}

/** UTCTime, good until 2049, as RFC 5280 wants it. */
function time(wallMs: number): Buffer {
  const digits = new Date(wallMs).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  return tagged(0x17, Buffer.from(digits.slice(2), "ascii"));
}
