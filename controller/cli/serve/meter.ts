/** Load between two looks at the meter. */
export interface Sample {
  /** End of the interval. */
  readonly atMs: number;
  /** Requests in the house, waiting ones included, averaged over time. */
  readonly concurrency: number;
  /** Requests that came in, per second. */
  readonly rps: number;
}

/**
 * Measures the load of one service as Knative's queue-proxy does: the time that requests spend inside, summed, over the
 * time that passed. The sum keeps what a look at one moment would miss, a burst between two looks.
 */
export class LoadMeter {
  #inside = 0;
  #arrived = 0;
  #busyMs = 0;
  #changedAtMs: number;
  #sampledAtMs: number;
  #lastActiveAtMs: number;

  constructor(nowMs: number) {
    this.#changedAtMs = nowMs;
    this.#sampledAtMs = nowMs;
    this.#lastActiveAtMs = nowMs;
  }

  get inside(): number {
    return this.#inside;
  }

  /** How long nobody has been inside; 0 while somebody is. */
  idleMs(nowMs: number): number {
    return this.#inside > 0 ? 0 : nowMs - this.#lastActiveAtMs;
  }

  enter(nowMs: number): void {
    this.#pass(nowMs);
    this.#inside++;
    this.#arrived++;
  }

  leave(nowMs: number): void {
    this.#pass(nowMs);
    this.#inside--;
    this.#lastActiveAtMs = nowMs;
  }

  /** Load since the last sample. */
  sample(nowMs: number): Sample {
    this.#pass(nowMs);
    const spanMs = Math.max(1, nowMs - this.#sampledAtMs);
    const sample = {
      atMs: nowMs,
      concurrency: this.#busyMs / spanMs,
      rps: (this.#arrived * 1000) / spanMs,
    };
    this.#busyMs = 0;
    this.#arrived = 0;
    this.#sampledAtMs = nowMs;
    return sample;
  }

  #pass(nowMs: number): void {
    this.#busyMs += this.#inside * (nowMs - this.#changedAtMs);
    this.#changedAtMs = nowMs;
  }
}
