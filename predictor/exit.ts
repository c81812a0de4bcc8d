/** How a predictor ends: exit codes that say whose fault it was, and last words (its contract). */
import { writeFileSync } from "node:fs";
import type { Config } from "./config.ts";
import { LoadFailed } from "./executor/supervisor.ts";
import { StorageError } from "./storage/storage-error.ts";
import type { StorageErrorCode } from "./storage/storage-error.ts";

/** sysexits.h */
export const exitCodes = {
  usage: 64,
  data: 65,
  noInput: 66,
  unavailable: 69,
  software: 70,
  noPermission: 77,
};
const storageExitCodes: Readonly<Record<StorageErrorCode, number>> = {
  "not-found": exitCodes.noInput,
  "access-denied": exitCodes.noPermission,
  unavailable: exitCodes.unavailable,
  invalid: exitCodes.data,
  misconfigured: exitCodes.usage,
};
/** A kubelet reads no more of the termination log. */
const lastWordsBytesMax = 4096;

/** The exit code of a failed start, by the runtime contract's table. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof StorageError) return storageExitCodes[error.code];
  return error instanceof LoadFailed ? exitCodes.data : exitCodes.software;
}

export function end(config: Pick<Config, "terminationLog">, code: number, words?: string): never {
  if (words !== undefined) {
    process.stderr.write(`pilotlight predictor: ${words}\n`);
    lastWords(config, words);
  }
  process.exit(code);
}

/** Leaves words for the kubelet, which keeps them in the pod's status. */
export function lastWords({ terminationLog }: Pick<Config, "terminationLog">, words: string): void {
  try {
    // Only a file that the kubelet put there: elsewhere, a log would be left behind.
    writeFileSync(terminationLog, words.slice(0, lastWordsBytesMax), { flag: "r+" });
  } catch {
    // It was said elsewhere, too.
  }
}
