import { readFileSync, readdirSync } from "node:fs";

/**
 * A process that cannot be mistaken for a later one with the same number: its start time, in
 * clock ticks since boot, belongs to it.
 */
export interface ProcessId {
  readonly pid: number;
  readonly startTicks: string;
}

/** The identity of a running process; undefined when there is none, or only its zombie. */
export function identifyProcess(pid: number): ProcessId | undefined {
  try {
    // The command's name, in parentheses, may hold anything: fields are counted after it.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state] = fields;
    const startTicks = fields[19];
    const gone = startTicks === undefined || (state === "Z" && !hasThreads(pid));
    return gone ? undefined : { pid, startTicks };
  } catch {
    return isLinux() ? undefined : identifyBySignal(pid);
  }
}

export function isAlive(id: ProcessId): boolean {
  return identifyProcess(id.pid)?.startTicks === id.startTicks;
}

/** The first thread of a killed process is a zombie while others still hold its sockets. */
function hasThreads(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).length > 1;
}

/** Elsewhere than on Linux there is no /proc: a process that can be signalled counts. */
function identifyBySignal(pid: number): ProcessId | undefined {
  try {
    process.kill(pid, 0);
    return { pid, startTicks: "unknown" };
  } catch {
    return undefined;
  }
}

function isLinux(): boolean {
  return process.platform === "linux";
}
