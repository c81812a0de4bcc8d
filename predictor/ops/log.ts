/** JSON lines on standard output: a constant message, and fields. */
import { pino } from "pino";
import type { Logger } from "pino";

export type Log = Pick<Logger, "trace" | "debug" | "info" | "warn" | "error" | "fatal">;

/** A log at a level. Written synchronously, so that the last line before an exit isn't lost. */
export function createLog(level: string): Log {
  return pino({
    level,
    base: null,
    messageKey: "message",
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}
