/**
 * The executor of a model that comes and goes: a run brings it into memory first. To the batcher it
 * is always there; the request's deadline covers the load as well.
 */
import type { Clock, RunOutcome, RunPort } from "../batch/port.ts";
import { ServingError } from "../errors.ts";
import { ExecutorRefused } from "../executor/process.ts";
import type { SentTensor } from "../protocol/tensor.ts";
import type { Executor } from "../served-model.ts";
import type { Residency } from "./residency.ts";
import type { Place, Unit } from "./unit.ts";

/** A process that ends before a run's turn costs a reload; so often is no coincidence any more. */
const attemptsMax = 3;

/**
 * Who asked for a model first is still to send its request when it's loaded. Let go at once, it would
 * be pushed out by the next of many that are asked for at the same time, before it ever ran.
 */
const firstRunMs = 1000;

export type Faults = {
  /** What keeps the model out of memory, in a sentence for the client. */
  faultOf(error: unknown): ServingError;
};

export class ResidentExecutor implements Executor, RunPort {
  readonly ports = [this];
  readonly #unit: Unit;
  readonly #residency: Residency;
  readonly #faults: Faults;
  #waiting = false;
  /** The place of the run that has begun. */
  #running: Place | undefined;
  #closed = false;
  /** Nobody has asked for it yet: whoever does is taken for the one that it was loaded for. */
  #fresh = true;
  #release: () => void;

  /** Takes over a unit that the caller acquired: the first run, if it comes soon, releases it. */
  constructor(unit: Unit, residency: Residency, faults: Faults, clock: Clock) {
    this.#unit = unit;
    this.#residency = residency;
    this.#faults = faults;
    let held = true;
    this.#release = () => {
      if (held) residency.release(unit);
      held = false;
    };
    clock.after(firstRunMs, this.#release);
  }

  /** It was in memory once, and can be again: probes may say ready. */
  get loaded(): boolean {
    return !this.#closed && this.#unit.loaded !== undefined;
  }

  ready(): boolean {
    return !this.#closed && !this.#waiting;
  }

  onReady(): void {
    // It is ready whenever it doesn't run, and the batcher knows when that is.
  }

  asked(): void {
    this.#residency.asked(this.#unit, this.#fresh);
    this.#fresh = false;
  }

  async run(inputs: readonly SentTensor[], outputs: readonly string[]): Promise<RunOutcome> {
    this.#waiting = true;
    try {
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        const outcome = await this.#runOnce({ inputs, outputs });
        if (outcome !== undefined) return outcome;
      }
      return { kind: "died" };
    } finally {
      this.#waiting = false;
      this.#release();
    }
  }

  /** Ends the process if it's this run that it is stuck in; others only wait for their turn. */
  replace(): void {
    this.#running?.host.kill();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#release();
    await this.#residency.drop(this.#unit);
  }

  /** Undefined when the process ended before the run's turn came. */
  async #runOnce(work: {
    readonly inputs: readonly SentTensor[];
    readonly outputs: readonly string[];
  }): Promise<RunOutcome | undefined> {
    let place: Place;
    try {
      place = await this.#residency.acquire(this.#unit);
    } catch (error) {
      return { kind: "unavailable", error: this.#faults.faultOf(error) };
    }
    try {
      const started = (): void => void (this.#running = place);
      const result = await place.host.run(place.session, work, started);
      return result === undefined ? undefined : { kind: "done", ...result };
    } catch (error) {
      if (error instanceof ExecutorRefused) return { kind: "refused", reason: error.message };
      return { kind: "died" };
    } finally {
      this.#running = undefined;
      this.#residency.release(this.#unit);
    }
  }
}
