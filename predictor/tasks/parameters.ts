/** The parameters of a request, checked one by one; what nobody asks for is refused by name. */
import { invalid } from "../errors.ts";
import { quote } from "../protocol/json.ts";
import type { JsonObject } from "../protocol/json.ts";

export class Parameters {
  readonly #given: JsonObject;
  readonly #known = new Set<string>();

  constructor(given: JsonObject) {
    this.#given = given;
  }

  /** What was given, with null for null; undefined when it wasn't. */
  raw(name: string): unknown {
    this.#known.add(name);
    return Object.hasOwn(this.#given, name) ? this.#given[name] : undefined;
  }

  #present(name: string): unknown {
    return this.raw(name) ?? undefined;
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.#present(name) ?? fallback;
    if (typeof value !== "boolean") throw refuse(name, value, "true or false");
    return value;
  }

  text(name: string): string | undefined {
    const value = this.#present(name);
    if (value !== undefined && typeof value !== "string") throw refuse(name, value, "a text");
    return value;
  }

  word<T extends string>(name: string, words: readonly T[], fallback: T): T {
    const value = this.text(name)?.toLowerCase() ?? fallback;
    const found = words.find((word) => word === value);
    if (found === undefined) throw refuse(name, value, `one of ${words.join(", ")}`);
    return found;
  }

  whole(name: string, fallback: number, range: { min: number; max: number }): number {
    const value = this.number(name, fallback, range);
    if (!Number.isInteger(value)) throw refuse(name, value, "a whole number");
    return value;
  }

  number(name: string, fallback: number, { min, max }: { min: number; max: number }): number {
    const value = this.#present(name) ?? fallback;
    if (typeof value !== "number" || !(value >= min && value <= max)) {
      throw refuse(name, value, `a number from ${min} to ${max}`);
    }
    return value;
  }

  /** A text or a list of them. */
  texts(name: string, countMax: number): string[] {
    const value = this.#present(name) ?? [];
    const list = Array.isArray(value) ? (value as unknown[]) : [value];
    if (list.length > countMax || !list.every((each) => typeof each === "string")) {
      throw refuse(name, value, `a text or a list of at most ${countMax} texts`);
    }
    return list;
  }

  /** To be called once all were asked for. Throws for the others. */
  refuseOthers(): void {
    const other = Object.keys(this.#given).find((name) => !this.#known.has(name));
    if (other === undefined) return;
    const known = [...this.#known].sort().join(", ");
    throw invalid(`parameter ${quote(other)} is unknown; the task takes ${known}`);
  }
}

function refuse(name: string, value: unknown, wanted: string): Error {
  return invalid(`parameter ${name} is ${quote(value)}, not ${wanted}`);
}
