import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";

import { contentsDigest } from "./contents.ts";
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
      await placeStream(createReadStream(path), {
        into,
        shown,
        bytesMax,
        retrying: { signal },
        fileName: context.fileName,
      });
      const digest = contentsDigest([{ path: "", state: `file:${size} ${mtimeMs}` }]);
      return { kind: "fetched", validator, digest };
    } catch (cause) {
      throw localError(cause, shown);
    }
  };
}
