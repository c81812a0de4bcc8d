import { readFileSync } from "node:fs";

/** The resident sets of a process and all below it, in bytes; 0 for those that have just ended. */
export function treeBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const own = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    const below = children === "" ? [] : children.split(" ").map((child) => Number(child));
    return below.reduce((sum, child) => sum + treeBytes(child), own);
  } catch {
    return 0;
  }
}
