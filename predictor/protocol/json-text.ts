/**
 * JSON text whose source matters: what JSON.parse has accepted, taken apart without rounding a
 * number. Nothing here checks the grammar again.
 */
import { invalid } from "../errors.ts";

/** Where the string that begins at `start` ends, its quotes included. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ;) {
    const end = text.indexOf('"', at);
    let escapes = 0;
    while (text[end - 1 - escapes] === "\\") escapes++;
    if (escapes % 2 === 0) return end + 1;
    at = end + 1;
  }
}

const blank = /[^ \t\n\r]/g;

/** The next character that is no white space. */
function pastBlanks(text: string, start: number): number {
  blank.lastIndex = start;
  return blank.test(text) ? blank.lastIndex - 1 : text.length;
}

const structure = /["[\]{}]/g;
const scalarEnd = /[,\]} \t\n\r]/g;

/** Where the value that begins at `start` ends. Without recursion: it may be nested to any depth. */
function endOfValue(text: string, start: number): number {
  if (text[start] === '"') return endOfString(text, start);
  if (text[start] !== "[" && text[start] !== "{") {
    scalarEnd.lastIndex = start;
    return scalarEnd.test(text) ? scalarEnd.lastIndex - 1 : text.length;
  }
  let depth = 0;
  for (let at = start; ;) {
    structure.lastIndex = at;
    const found = structure.exec(text)?.[0];
    at = structure.lastIndex;
    if (found === '"') at = endOfString(text, at - 1);
    else if (found === "[" || found === "{") depth++;
    else depth--;
    if (depth === 0) return at;
  }
}

/**
 * The source of a member of the object that the text is; of several of the name the last one, as
 * JSON.parse takes it. Undefined when there is none.
 */
export function memberSource(text: string, name: string): string | undefined {
  let source;
  let at = pastBlanks(text, pastBlanks(text, 0) + 1);
  while (text[at] === '"') {
    const keyEnd = endOfString(text, at);
    const key: unknown = JSON.parse(text.slice(at, keyEnd));
    const start = pastBlanks(text, pastBlanks(text, keyEnd) + 1);
    const end = endOfValue(text, start);
    if (key === name) source = text.slice(start, end);
    at = pastBlanks(text, end);
    if (text[at] === ",") at = pastBlanks(text, at + 1);
  }
  return source;
}

/** How deep an exact reading goes: deeper than any tensor, far from the end of the stack. */
const depthMax = 200;

/** Beyond 64 bits, at which everybody who asks for a whole number refuses. */
const exactMax = 2 ** 65;

/**
 * What JSON.parse makes of a text that it has accepted, but whole numbers beyond 2^53 are bigint,
 * however they are written. Throws ServingError `invalid` for what is nested deeper than 200 levels.
 */
export function readExactly(text: string): unknown {
  return new Reader(text).value(pastBlanks(text, 0), 0);
}

class Reader {
  readonly #text: string;
  /** Behind what was read last. */
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(start: number, depth: number): unknown {
    const text = this.#text;
    const first = text[start];
    if (depth > depthMax) throw invalid(`the body is nested deeper than ${depthMax} levels`);
    if (first === "[") return this.#array(start, depth);
    if (first === "{") return this.#object(start, depth);
    this.#at = endOfValue(text, start);
    const source = text.slice(start, this.#at);
    return first === '"' || first === "t" || first === "f" || first === "n"
      ? JSON.parse(source)
      : exactNumber(source);
  }

  #array(start: number, depth: number): unknown[] {
    const values: unknown[] = [];
    this.#at = start + 1;
    while (this.#next() !== "]") values.push(this.value(this.#at, depth + 1));
    this.#at++;
    return values;
  }

  #object(start: number, depth: number): object {
    const members: Record<string, unknown> = {};
    this.#at = start + 1;
    while (this.#next() !== "}") {
      const name = this.value(this.#at, depth) as string;
      this.#at = pastBlanks(this.#text, this.#at) + 1;
      const value = this.value(pastBlanks(this.#text, this.#at), depth + 1);
      // Assigned, a member of this name would be no member.
      if (name !== "__proto__") members[name] = value;
      else Object.defineProperty(members, name, { value, enumerable: true, configurable: true });
    }
    this.#at++;
    return members;
  }

  /** Moves on to the next value, or to the end of the list. */
  #next(): string | undefined {
    this.#at = pastBlanks(this.#text, this.#at);
    if (this.#text[this.#at] === ",") this.#at = pastBlanks(this.#text, this.#at + 1);
    return this.#text[this.#at];
  }
}

function exactNumber(source: string): number | bigint {
  const number = Number(source);
  if (!Number.isInteger(number) || Number.isSafeInteger(number)) return number;
  if (Math.abs(number) > exactMax) return number;
  return wholeOf(source) ?? number;
}

/** A number's exact value, when it is whole: 9007199254740993, 9007199254740993.0, 1e18. */
function wholeOf(source: string): bigint | undefined {
  const [, sign, whole = "", fraction = "", power = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source) ?? [];
  const digits = (whole + fraction).replace(/^0+/, "");
  const zeros = Number(power) - fraction.length;
  if (zeros >= 0) return BigInt(`${sign}${digits}${"0".repeat(zeros)}`);
  const kept = digits.slice(0, zeros);
  return /^0*$/.test(digits.slice(zeros)) ? BigInt(`${sign}${kept}`) : undefined;
}
