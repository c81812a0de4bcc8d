/**
 * One JSON object per line on standard output: `level`, `ts`, `msg` and fields. No payloads, no
 * secrets.
 */
import { pino, type Logger } from "pino";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  readonly level: LogLevel;
  /** Of the program, as in `controller`. */
  readonly name: string;
  /** Where lines go; standard output unless told. */
  readonly destination?: { write(line: string): void };
}

/** The level can be changed while running: `log.level = "debug"`. */
export function createLog({ level, name, destination }: LogOptions): Logger {
  const options = {
    level,
    base: { name },
    timestamp: () => `,"ts":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: ["token", "authorization", "*.token", "*.authorization", "headers.authorization"],
      censor: "[redacted]",
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
