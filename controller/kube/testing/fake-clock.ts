import { setImmediate } from "node:timers/promises";
import type { Clock, Timer } from "../clock.ts";

interface Pending {
  readonly atMs: number;
  readonly run: () => void;
}

/** A clock that stands still until a test turns it. */
export class FakeClock implements Clock {
  #nowMs = 0;
  #suspendedMs = 0;
  readonly #startWallMs: number;
  readonly #pending = new Set<Pending>();

  constructor(startWallMs = Date.parse("2030-01-01T00:00:00Z")) {
    this.#startWallMs = startWallMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  bootMs(): number {
    return this.#nowMs + this.#suspendedMs;
  }

  wallMs(): number {
    return this.#startWallMs + this.#nowMs + this.#suspendedMs;
  }

  schedule(run: () => void, delayMs: number): Timer {
    const pending = { atMs: this.#nowMs + Math.max(0, delayMs), run };
    this.#pending.add(pending);
    return { cancel: () => this.#pending.delete(pending) };
  }

  /** Timers that have not fired: none may be left when what was tested has stopped. */
  get timers(): number {
    return this.#pending.size;
  }

  /** Moves on, runs what falls due in order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const target = this.#nowMs + ms;
    await settle();
    for (let next = this.#next(target); next !== undefined; next = this.#next(target)) {
      this.#pending.delete(next);
      // After a pause a timer is late, and time does not go back for it.
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
      await settle();
    }
    this.#nowMs = target;
    await settle();
  }

  /** The process is paused (SIGSTOP): time passes and no timer fires before it is resumed. */
  pause(ms: number): void {
    this.#nowMs += ms;
  }

  /** The machine is suspended: only the clock that counts from boot goes on. */
  suspend(ms: number): void {
    this.#suspendedMs += ms;
  }

  #next(target: number): Pending | undefined {
    let next: Pending | undefined;
    for (const pending of this.#pending) {
      if (pending.atMs <= target && (next === undefined || pending.atMs < next.atMs))
        next = pending;
    }
    return next;
  }
}

/** Lets promise chains run that wait for nothing but each other. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await setImmediate();
}
