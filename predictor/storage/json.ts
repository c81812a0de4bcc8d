/** JSON of a server, read with the distrust that text of a server deserves. */
import { readText } from "./http-client.ts";
import type { HttpReply } from "./http-client.ts";
import { StorageError } from "./storage-error.ts";

export type Json = { readonly [key: string]: unknown };

const JSON_BYTES_MAX = 16 * 1024 * 1024;

/** An object or a list. Throws StorageError "unavailable" when the body is neither. */
export async function readJson(reply: HttpReply, shown: string): Promise<unknown> {
  const text = await readText(reply, JSON_BYTES_MAX);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const what = `${shown}: the server's answer is no JSON; check the endpoint`;
    throw new StorageError("unavailable", what, { cause });
  }
}

/** The fields of an object; none of anything else. */
export function fieldsOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

/** The members of a list; none of anything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A text, or undefined. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
