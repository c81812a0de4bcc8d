/** Whose fault it was; predictor/main.ts turns it into an exit code. */
export type StorageErrorCode =
  | "not-found"
  | "access-denied"
  | "unavailable"
  /** What was found there. */
  | "invalid"
  /** What says where it is, or how it is asked. */
  | "misconfigured";

/** The termination log holds 4096 bytes, a condition's message is read by people: this is plenty. */
const MESSAGE_LENGTH_MAX = 1024;

/**
 * A model could not be had. The message is one printable line: what, where, what to do. It may
 * quote a server, so it is cleaned and shortened here, once, whoever wrote it.
 */
export class StorageError extends Error {
  override readonly name = "StorageError";
  readonly code: StorageErrorCode;

  constructor(code: StorageErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(printable(message), options);
    this.code = code;
  }
}

/**
 * One line without control or direction-changing characters, at most `lengthMax` long: text of a
 * server or a file name must not be able to forge log lines.
 */
export function printable(text: string, lengthMax = MESSAGE_LENGTH_MAX): string {
  const line = text
    // The surplus is cut first, so that a hostile megabyte costs nothing.
    .slice(0, lengthMax * 4)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, " ")
    .replaceAll(/ {2,}/g, " ")
    .trim();
  return line.length <= lengthMax ? line : `${line.slice(0, lengthMax - 1).trimEnd()}…`;
}
