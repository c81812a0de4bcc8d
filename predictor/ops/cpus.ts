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

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
