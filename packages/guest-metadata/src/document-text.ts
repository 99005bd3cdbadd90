/** From what the user sent (base64 text) to bytes, text and YAML: bounded, and every complaint names the document and the place. */
import { PlatformError } from "@liquidmetal/foundation";
import { LineCounter, parseDocument } from "yaml";

/** Bytes of one decoded document. The largest that is known to be wanted, a kubeadm bootstrap with certificates, has some 60 KiB. */
export const documentBytesMax: number = 1024 * 1024;

/** Throws METADATA_INVALID. Never quotes the content: user data may hold secrets. */
export function invalid(document: string, trouble: string): PlatformError {
  return new PlatformError("METADATA_INVALID", `metadata ${JSON.stringify(document.slice(0, 64))}: ${trouble}`, {
    details: { document: document.slice(0, 64) },
  });
}

/** Standard alphabet, padding wanted, line breaks allowed (RFC 4648; as Go's `base64.StdEncoding`). */
export function decodeBase64(document: string, encoded: string): Buffer {
  if (encoded.length > documentBytesMax * 1.5) throw invalid(document, `larger than ${documentBytesMax} bytes`);
  const strange = /[^A-Za-z0-9+/=\r\n]/.exec(encoded);
  if (strange !== null) throw invalid(document, `not base64: a strange character at position ${strange.index + 1}`);
  const compact = encoded.replace(/[\r\n]/g, "");
  const padding = compact.indexOf("=");
  if (compact.length % 4 !== 0)
    throw invalid(document, "not base64: its length is no multiple of four (padding is missing)");
  if (padding >= 0 && !/^={1,2}$/.test(compact.slice(padding))) {
    throw invalid(document, `not base64: padding in the middle, at position ${padding + 1}`);
  }
  const bytes = Buffer.from(compact, "base64");
  if (bytes.length > documentBytesMax) throw invalid(document, `larger than ${documentBytesMax} bytes`);
  return bytes;
}

/** The text, or undefined when these bytes are no UTF-8 (compressed user data). */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

export function requireText(document: string, bytes: Uint8Array): string {
  const text = utf8Text(bytes);
  if (text === undefined) throw invalid(document, "not text in UTF-8");
  return text;
}

export interface YamlOptions {
  /** Keep scalars as they are written (`0123` stays `0123`). */
  readonly scalarsAsText?: boolean;
}

/** One YAML document, plain data. Aliases are bounded, so nothing explodes. */
export function parseYaml(document: string, text: string, options: YamlOptions = {}): unknown {
  const lineCounter = new LineCounter();
  const parsed = parseDocument(text, {
    lineCounter,
    prettyErrors: false,
    logLevel: "silent",
    ...(options.scalarsAsText === true ? { schema: "failsafe" } : {}),
  });
  const [error] = parsed.errors;
  if (error !== undefined) {
    const { line, col } = lineCounter.linePos(error.pos[0]);
    throw invalid(
      document,
      `not YAML: ${error.code.toLowerCase().replaceAll("_", " ")} at line ${line}, column ${col}`,
    );
  }
  try {
    return parsed.toJS({ maxAliasCount: 100 }) as unknown;
  } catch {
    throw invalid(document, "not YAML that can be read: too many aliases, or aliases of nothing");
  }
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
