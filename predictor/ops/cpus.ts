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
  /** Whether they poll for a moment between the steps of a run before they sleep. */
  readonly spinning: boolean;
};

/**
 * An equal share for each executor, where nothing else was asked for. A thread alone has nobody to
 * wait for.
 */
export function cpuShare(
  cpus: number,
  wanted: {
    readonly executors: number;
    readonly threads?: number | undefined;
    readonly spinning?: boolean | undefined;
  },
): CpuShare {
  const { executors, threads = Math.max(1, Math.floor(cpus / executors)) } = wanted;
  return { threads, spinning: wanted.spinning ?? threads > 1 };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
