/** What the end of a predictor process means. Pure. */

export interface Ending {
  /** Undefined, like the signal, when it could not even be started. */
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  /** Its termination log, or what it said last on standard error. Empty when it said nothing. */
  readonly lastWords: string;
}

export interface Failure {
  /** One word, the reason that the condition has in a cluster. */
  readonly reason: string;
  /** A sentence for people. */
  readonly message: string;
}

/** docs/runtime-contract.md, "What a predictor gives". */
const REASONS: ReadonlyMap<number, readonly [reason: string, meaning: string]> = new Map([
  [0, ["Ended", "it ended without being asked to"]],
  [64, ["InvalidConfiguration", "environment or flags are wrong"]],
  [65, ["ModelLoadFailed", "what was found is no model that onnxruntime loads"]],
  [66, ["ModelNotFound", "no model there"]],
  [69, ["StorageUnavailable", "storage did not answer"]],
  [70, ["InternalError", "a fault of the predictor's own"]],
  [77, ["StorageAccessDenied", "storage refused the credentials"]],
]);

/** The failure that an unasked-for end is. */
export function failureOf(ending: Ending): Failure {
  if (ending.signal !== undefined) {
    const guess = ending.signal === "SIGKILL" ? ", perhaps for lack of memory" : "";
    const words = ending.lastWords === "" ? "" : `: ${ending.lastWords}`;
    return { reason: "Crashed", message: `killed by ${ending.signal}${guess}${words}` };
  }
  const code = ending.exitCode;
  if (code === undefined) {
    return { reason: "NotStarted", message: ending.lastWords };
  }
  const [reason, meaning] = REASONS.get(code) ?? ["Crashed", "no reason given"];
  const words = ending.lastWords === "" ? meaning : ending.lastWords;
  return { reason, message: `${words} (exit code ${code})` };
}

const WORDS_LINES_MAX = 5;

/**
 * What somebody who left no last words said last: the error of a stack trace, else the last lines.
 */
export function wordsOf(lines: readonly string[]): string {
  const error = lines.findLast((line) => /^(Uncaught )?[A-Z]\w*(Error|Exception)\b/.test(line));
  return error ?? lines.slice(-WORDS_LINES_MAX).join("\n").trim();
}

const FIRST_BACKOFF_MS = 1000;
const LONGEST_BACKOFF_MS = 60_000;

/** How long to wait before the next start after `failures` in a row: 0, then 1 s, doubled up to a minute. */
export function backoffMs(failures: number): number {
  return failures <= 0 ? 0 : Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (failures - 1));
}
