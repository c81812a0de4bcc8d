import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";

import { HASHED_BYTES_MAX, PassingHash, loneDigest } from "./contents.ts";
import { localError } from "./local.ts";
import type { Fetch, FetchContext } from "./origin.ts";
import { clearFolder, placeStream } from "./place.ts";

/** Unpacks an archive that lies on this machine. */
export function createLocalArchive(path: string, context: Omit<FetchContext, "http">): Fetch {
  return async (into, known) => {
    const { shown, bytesMax, signal } = context;
    try {
      const { size, mtimeMs, ino } = await stat(path);
      const validator = `${size} ${mtimeMs} ${ino}`;
      if (validator === known) return { kind: "unchanged" };
      await clearFolder(into);
      const passing = size <= HASHED_BYTES_MAX ? new PassingHash() : undefined;
      const file = createReadStream(path);
      await placeStream(passing?.pass(file) ?? file, {
        into,
        shown,
        bytesMax,
        retrying: { signal },
        fileName: context.fileName,
      });
      return { kind: "fetched", validator, digest: loneDigest(passing?.digest(), undefined) };
    } catch (cause) {
      throw localError(cause, shown);
    }
  };
}
