import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";

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
      return { kind: "fetched", validator };
    } catch (cause) {
      throw localError(cause, shown);
    }
  };
}
