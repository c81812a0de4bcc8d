/** What a thread of this process takes, as the thread itself knows it. */
import { getHeapStatistics } from "node:v8";

/**
 * Bytes of the calling thread: its heap, what hangs on it, and what libraries hold besides, which
 * only the caller can know. The whole process' memory would say nothing of one thread.
 */
export function threadBytes(besides = 0): number {
  const { total_heap_size, external_memory, malloced_memory } = getHeapStatistics();
  return total_heap_size + external_memory + malloced_memory + besides;
}
