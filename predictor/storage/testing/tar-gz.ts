import { gzipSync } from "node:zlib";

import { pack } from "tar-stream";

/** One entry of a test's archive; without content a folder or whatever `type` says. */
export interface TarEntry {
  readonly name: string;
  readonly content?: string | Buffer;
  readonly type?: "file" | "directory" | "symlink" | "link" | "fifo" | "character-device";
  readonly linkname?: string;
  readonly mode?: number;
}

/** A .tar.gz of these entries, however improper they are. */
export async function tarGz(entries: readonly TarEntry[]): Promise<Buffer> {
  return gzipSync(await tar(entries));
}

/** The same, not compressed. */
export async function tar(entries: readonly TarEntry[]): Promise<Buffer> {
  const archive = pack();
  const chunks: Buffer[] = [];
  const collected = (async () => {
    for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
  })();
  for (const { content, ...header } of entries) {
    const type = header.type ?? (content === undefined ? "directory" : "file");
    await new Promise<void>((resolve, reject) => {
      archive.entry({ ...header, type }, content ?? "", (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }
  archive.finalize();
  await collected;
  return Buffer.concat(chunks);
}
