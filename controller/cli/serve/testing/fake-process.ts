import type { Ending } from "../ending.ts";
import type { Process } from "../fleet.ts";

/** A process that becomes ready and ends when the test says so. */
export class FakeProcess implements Process {
  readonly pid: number;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<Ending>();
  readonly ready = this.#ready.promise;
  readonly ended = this.#ended.promise;
  /** What it was told, in order. */
  readonly orders: string[] = [];
  #onKilled: () => void = () => undefined;

  constructor(pid: number) {
    this.pid = pid;
  }

  terminate(graceMs: number, onKilled: () => void): void {
    this.orders.push(`SIGTERM ${graceMs}`);
    this.#onKilled = onKilled;
  }

  kill(): void {
    this.orders.push("SIGKILL");
  }

  async becomeReady(): Promise<void> {
    this.#ready.resolve();
    await settled();
  }

  async end(ending: Partial<Ending>): Promise<void> {
    this.#ended.resolve({ exitCode: undefined, signal: undefined, lastWords: "", ...ending });
    await settled();
  }

  /** The grace is over. */
  overstay(): void {
    this.#onKilled();
  }
}

/** Lets everything run that waits for what is settled already. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
