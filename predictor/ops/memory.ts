/** How much memory this container may use: its cgroup's limit, or the machine's. */
import { totalmem } from "node:os";

/** Bytes that all processes of the container may use together. */
export function usableMemoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}
