/**
 * Long runs give way to the process that speaks HTTP. A run keeps every CPU busy for as long as it
 * takes, and that process needs one for a moment only: to read the next request meanwhile, and to
 * answer probes.
 */
import { readdirSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

/** A shorter run is over before anybody would have had to wait for it. */
const longRunMs = 2;
/** So many in a row: a short run is a long one now and then, on a machine that others use. */
const runsInARow = 8;
/** Steps of nice. Enough that the other process is served first; a share of the CPUs stays. */
const steps = 5;
const nicenessMax = 19;

export class GiveWay {
  readonly #lower: (steps: number) => void;
  #inARow = 0;
  #given = false;

  constructor(lower: (steps: number) => void = lowerThreads) {
    this.#lower = lower;
  }

  /** A run took so long. The priority is lowered once: taking it back would need a privilege. */
  ran(ms: number): void {
    if (this.#given) return;
    this.#inARow = ms >= longRunMs ? this.#inARow + 1 : 0;
    if (this.#inARow < runsInARow) return;
    this.#given = true;
    this.#lower(steps);
  }
}

/** Lowers the priority of all threads of this process, those of onnxruntime among them. */
function lowerThreads(by: number): void {
  for (const thread of threadsOfThisProcess()) {
    try {
      setPriority(thread, Math.min(nicenessMax, getPriority(thread) + by));
    } catch {
      // It has ended, or is not ours to slow down: then it stays as it is.
    }
  }
}

/** Linux keeps a priority for each thread; 0 is the calling one, or the process elsewhere. */
function threadsOfThisProcess(): readonly number[] {
  try {
    return readdirSync("/proc/self/task").map(Number);
  } catch {
    return [0];
  }
}
