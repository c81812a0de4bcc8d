/** Digests of values: equal when the values are, whatever the order of their keys. */
import { createHash } from "node:crypto";
import { canonical } from "./canonical.ts";

const DIGEST_LENGTH = 32;

/** Half of a SHA-256 in hexadecimal: enough to tell wishes apart, short enough to be read. */
export function digestOf(value: unknown): string {
  return createHash("sha256").update(canonical(value)).digest("hex").slice(0, DIGEST_LENGTH);
}
