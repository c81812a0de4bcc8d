/** How many CPUs this process may use: onnxruntime asks the host, which may have a hundred. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Reads a file of the kernel, or nothing where there is none. */
export type ReadFile = (path: string) => string | undefined;

/**
 * CPUs by the cgroup's quota, rounded up; nothing without a quota. Version 2 has `cpu.max`
 * ("quota period" or "max period"), version 1 two files, of which -1 means no quota.
 */
export function quotaCpus(read: ReadFile): number | undefined {
  const [quota2, period2] = read("/sys/fs/cgroup/cpu.max")?.trim().split(/\s+/) ?? [];
  const quota = Number(quota2 ?? read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"));
  const period = Number(period2 ?? read("/sys/fs/cgroup/cpu/cpu.cfs_period_us"));
  if (!(quota > 0) || !(period > 0)) return undefined;
  return Math.max(1, Math.ceil(quota / period));
}

/** The CPUs to use: the fewer of the scheduler's and the quota's. */
export function usableCpus(read: ReadFile = readIfThere): number {
  return Math.min(availableParallelism(), quotaCpus(read) ?? Number.POSITIVE_INFINITY);
}

/** How the CPUs are shared among executors. */
export type CpuShare = {
  /** Threads of each executor. */
  readonly threads: number;
  /** Whether idle ones may poll for work instead of sleeping. */
  readonly spinning: boolean;
};

/**
 * An equal share for each executor, where nothing else was asked for. Polling threads take the CPU
 * from whom it's needed by, and a quota of CPU time is used up by polling as well: they may only
 * where a CPU is left for the process that speaks HTTP.
 */
export function cpuShare(
  cpus: number,
  wanted: { readonly executors: number; readonly threads?: number; readonly spinning?: boolean },
): CpuShare {
  const { executors, threads = Math.max(1, Math.floor(cpus / executors)) } = wanted;
  return { threads, spinning: wanted.spinning ?? threads * executors < cpus };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
