/**
 * The scanner of clusterctl's variable grammar, state for state: what counts as a token depends on what the parser is at.
 *
 * Source: drone/envsubst v2, parse/scan.go, which clusterctl's template processor uses.
 */
export type Token = "illegal" | "end" | "word" | "open" | "close";

/** `position`: of the character in its token, 1 is the first. */
export type Accept = (character: string, position: number) => boolean;

export interface ScanMode {
  readonly word?: boolean;
  readonly open?: boolean;
  readonly close?: boolean;
  /** Whether `$$` (and inside of an expression `\/` and `\\`) stand for one character. */
  readonly escapes?: boolean;
}

const end = "";

export class Scanner {
  /** What belongs to a word. */
  accept: Accept = () => false;
  mode: ScanMode = {};
  escapesBackslash = false;
  #text: string;
  #position = 0;
  #start = 0;
  #width = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Text of the token scanned last. */
  get text(): string {
    return this.#text.slice(this.#start, this.#position);
  }

  peek(): string {
    const character = this.#read();
    this.#unread();
    return character;
  }

  /** The character after the next. */
  peekSecond(): string {
    return this.#text[this.#position + 1] ?? end;
  }

  scan(): Token {
    this.#start = this.#position;
    const character = this.#read();
    if (character === end) return "end";
    if (this.#opens(character)) return "open";
    if (this.mode.close === true && character === "}") return "close";
    return this.#word(character) ? "word" : "illegal";
  }

  #word(first: string): boolean {
    if (this.mode.word !== true) return false;
    if (this.#escaped(first)) this.#skip();
    else if (!this.accept(first, this.#position - this.#start)) return false;
    for (;;) {
      const character = this.#read();
      if (character === end) return true;
      if (this.#opens(character)) {
        this.#position -= 2;
        return true;
      }
      if (this.#escaped(character)) this.#skip();
      else if (!this.accept(character, this.#position - this.#start)) {
        this.#unread();
        return true;
      }
    }
  }

  #opens(character: string): boolean {
    if (this.mode.open !== true || character !== "$") return false;
    if (this.#read() === "{") return true;
    this.#unread();
    this.#width = 1;
    return false;
  }

  #escaped(character: string): boolean {
    if (this.mode.escapes !== true) return false;
    const next = this.#text[this.#position];
    if (character === "$") return next === "$";
    return character === "\\" && this.escapesBackslash && (next === "/" || next === "\\");
  }

  /** Drops the escaping character that was just read; what follows it has then been read. */
  #skip(): void {
    this.#text = this.#text.slice(0, this.#position - 1) + this.#text.slice(this.#position);
  }

  #read(): string {
    const character = this.#text[this.#position] ?? end;
    this.#width = character.length;
    this.#position += this.#width;
    return character;
  }

  #unread(): void {
    this.#position -= this.#width;
  }
}
