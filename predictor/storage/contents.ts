/**
 * Which contents a model has, in one word: the same for the same bytes, wherever they come from and
 * whenever they were put there. It is made of what the store says of its objects, so that it costs
 * nothing, however large the model is (docs/decisions/0009-the-digest-of-a-model.md).
 */
import { createHash } from "node:crypto";

import type { Digest } from "./ranged.ts";

/** So much is hashed of what lies on this machine: a few milliseconds. */
export const HASHED_BYTES_MAX = 4 * 1024 * 1024;

export interface FileContents {
  /** Below the model's folder; empty for the only file. */
  readonly path: string;
  /** `sha256:HEX` or `md5:HEX` of its bytes, or what else the store has, an entity tag say. */
  readonly state: string;
}

/** The digest of a model: a lone file's own SHA-256 where it is known, else that of the list. */
export function contentsDigest(files: readonly FileContents[]): string {
  const [first] = files;
  if (first !== undefined && files.length === 1 && /^sha256:[0-9a-f]{64}$/.test(first.state)) {
    return first.state;
  }
  const hash = createHash("sha256");
  for (const { path, state } of files.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    hash.update(`${path}\n${state}\n`);
  }
  return `sha256:${hash.digest("hex")}`;
}

/** The digest of a single file or archive; undefined when the store says nothing of it. */
export function loneDigest(digest: Digest | undefined, tag: string | undefined) {
  const state = stateOf(digest, tag);
  return state === undefined ? undefined : contentsDigest([{ path: "", state }]);
}

/** What a store says of an object's bytes. */
export function stateOf(digest: Digest | undefined, tag: string): string;
export function stateOf(digest: Digest | undefined, tag: string | undefined): string | undefined;
export function stateOf(digest: Digest | undefined, tag: string | undefined): string | undefined {
  if (digest !== undefined) return `${digest.algorithm}:${digest.hex}`;
  return tag === undefined ? undefined : `etag:${tag.replaceAll('"', "")}`;
}

/** Hashes what passes, for stores that say nothing of it. */
export class PassingHash {
  readonly #hash = createHash("sha256");
  #whole = false;

  async *pass(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.#hash.update(chunk);
      yield chunk;
    }
    this.#whole = true;
  }

  /** Undefined unless all of it was read: the end of an archive may not be. */
  digest(): Digest | undefined {
    return this.#whole ? { algorithm: "sha256", hex: this.#hash.digest("hex") } : undefined;
  }
}
