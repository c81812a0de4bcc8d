/**
 * Lines that tell a waiting person what goes on and for how long. They go to standard error:
 * standard output belongs to results.
 */
export interface Progress {
  readonly say: (line: string) => void;
  /** Says what starts, runs it, and says how long it took, also every half minute meanwhile. */
  readonly step: <T>(title: string, work: () => Promise<T>) => Promise<T>;
}

const REMIND_MS = 30_000;

export function createProgress(
  write: (line: string) => void = (line) => process.stderr.write(`${line}\n`),
  nowMs: () => number = () => performance.now(),
): Progress {
  const startedMs = nowMs();
  const say = (line: string): void =>
    write(`[${formatElapsed(nowMs() - startedMs).padStart(7)}] ${line}`);
  const step = async <T>(title: string, work: () => Promise<T>): Promise<T> => {
    const beganMs = nowMs();
    const took = (): string => formatElapsed(nowMs() - beganMs);
    say(`${title} ...`);
    const reminder = setInterval(() => say(`${title} ... still running, ${took()}`), REMIND_MS);
    reminder.unref();
    try {
      const result = await work();
      say(`${title}: ${took()}`);
      return result;
    } catch (error) {
      say(`${title}: failed after ${took()}`);
      throw error;
    } finally {
      clearInterval(reminder);
    }
  };
  return { say, step };
}

/** "0.4s", "12.3s", "3m05s". */
export function formatElapsed(elapsedMs: number): string {
  const seconds = elapsedMs / 1000;
  if (seconds < 60) {
    return `${seconds.toFixed(1)}s`;
  }
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, "0")}s`;
}
