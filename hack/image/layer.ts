/** Layers of an image as tar files whose bytes depend on nothing but their entries. */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";

import { pack } from "tar-stream";
import type { Header, Pack } from "tar-stream";

/** An entry of a layer; `path` is absolute in the image. */
export type LayerEntry =
  | { readonly kind: "file"; readonly path: string; readonly source: string; readonly mode: number }
  | { readonly kind: "text"; readonly path: string; readonly text: string }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  | { readonly kind: "folder"; readonly path: string; readonly mode: number };

const EPOCH = new Date(0);

/** Every folder above an entry is made, too; entries are in the order of their paths. */
export function completeEntries(entries: readonly LayerEntry[]): LayerEntry[] {
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  for (const { path } of entries) {
    for (let folder = dirname(path); folder !== "/"; folder = dirname(folder)) {
      if (!byPath.has(folder)) byPath.set(folder, { kind: "folder", path: folder, mode: 0o755 });
    }
  }
  return [...byPath.keys()].sort().flatMap((path) => byPath.get(path) ?? []);
}

/** A name for the content of a layer, without writing it: that tells whether it has to be. */
export async function digestEntries(entries: readonly LayerEntry[]): Promise<string> {
  const digest = createHash("sha256");
  for (const entry of completeEntries(entries)) {
    const { source, ...header } = { source: "", ...entry };
    digest.update(`${JSON.stringify(header)}\n`);
    if (source !== "") digest.update(await digestFile(source));
  }
  return digest.digest("hex");
}

/** Writes the layer; it is there whole or not at all. */
export async function writeLayer(entries: readonly LayerEntry[], path: string): Promise<void> {
  await writeTar(path, async (archive) => {
    for (const entry of completeEntries(entries)) await addEntry(archive, entry);
  });
}

/** Writes a tar file under its name once it is complete; of one that fails nothing stays. */
export async function writeTar(
  path: string,
  fill: (archive: Pack) => Promise<void>,
): Promise<void> {
  const partial = `${path}.${randomUUID()}.partial`;
  const archive = pack();
  try {
    const written = pipeline(archive, createWriteStream(partial));
    const filled = fill(archive).then(
      () => archive.finalize(),
      (error: unknown) => {
        archive.destroy(error instanceof Error ? error : new Error(String(error)));
        throw error;
      },
    );
    // Both to their ends, also of a failure: a file still being opened would outlive its removal.
    const ends = await Promise.allSettled([filled, written]);
    for (const end of ends) {
      if (end.status === "rejected") throw end.reason;
    }
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}

/** Adds a file of the disk under a name. */
export async function addFile(
  archive: Pack,
  { name, source, mode }: { readonly name: string; readonly source: string; readonly mode: number },
): Promise<void> {
  const { size } = await stat(source);
  const added = new Promise<void>((resolve, reject) => {
    const sink = archive.entry(headerOf(name, { type: "file", mode, size }), (error) => {
      if (error) reject(error);
      else resolve();
    });
    pipeline(createReadStream(source), sink).catch(reject);
  });
  await added;
}

/** Adds a few bytes under a name. */
export function addText(archive: Pack, name: string, text: string): void {
  archive.entry(headerOf(name, { type: "file", mode: 0o644 }), text);
}

/** SHA-256 of a file, hexadecimal. */
export async function digestFile(path: string): Promise<string> {
  const digest = createHash("sha256");
  await pipeline(createReadStream(path), digest);
  return digest.digest("hex");
}

/** A text file, or undefined. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}

async function addEntry(archive: Pack, entry: LayerEntry): Promise<void> {
  const name = entry.path.slice(1);
  switch (entry.kind) {
    case "file":
      await addFile(archive, { name, source: entry.source, mode: entry.mode });
      return;
    case "text":
      addText(archive, name, entry.text);
      return;
    case "link":
      archive.entry(headerOf(name, { type: "symlink", linkname: entry.target, mode: 0o777 }));
      return;
    case "folder":
      archive.entry(headerOf(`${name}/`, { type: "directory", mode: entry.mode }));
  }
}

/** Everything belongs to root: the user that runs it can change none of it. */
function headerOf(name: string, rest: Partial<Header>): Partial<Header> & { name: string } {
  return { name, uid: 0, gid: 0, uname: "", gname: "", mtime: EPOCH, ...rest };
}
