/**
 * Keeps one executor process with the model loaded: respawns it after a kill or a crash, slower
 * each time that it ends without having run anything.
 */
import { messageOf } from "../errors.ts";
import type { Clock, RunOutcome, RunPort } from "../batch/port.ts";
import type { SentTensor } from "../protocol/tensor.ts";
import type { LoadedModel, LoadOptions } from "./messages.ts";
import { ExecutorDied, ExecutorProcess, ExecutorRefused } from "./process.ts";
import type { ChildEntry } from "./process.ts";

export type SupervisorOptions = {
  readonly entry: ChildEntry;
  readonly threads: number;
  /** See LoadOptions. */
  readonly spinning?: boolean;
  /** A load that takes longer counts as failed; a warm-up may take a quarter of it. */
  readonly loadTimeoutMs: number;
  readonly clock: Clock;
  readonly observer: SupervisorObserver;
};

export type SupervisorObserver = {
  respawned(reason: string): void;
  respawnFailed(reason: string): void;
  /** The process that came instead runs the model on another execution provider. */
  moved(model: LoadedModel): void;
};

/** The model can't be loaded; the message is onnxruntime's. */
export class LoadFailed extends Error {
  override readonly name = "LoadFailed";
}

const backoffFirstMs = 100;
const backoffMaxMs = 10_000;

/** How long to wait before the next start, after so many that came to nothing. */
export function backoffMs(fruitless: number): number {
  if (fruitless <= 1) return 0;
  return Math.min(backoffFirstMs * 2 ** (fruitless - 2), backoffMaxMs);
}

export class Supervisor implements RunPort {
  readonly #options: SupervisorOptions;
  #process: ExecutorProcess;
  #path: string | undefined;
  #ready = false;
  #running = false;
  #closed = false;
  #warmUp = true;
  #fruitless = 0;
  #provider: string | undefined;
  #listener: () => void = () => {};

  /** Starts the process at once: onnxruntime loads while the model is still on its way. */
  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#process = new ExecutorProcess(options.entry);
  }

  /** The model is loaded: probes may say ready. */
  get loaded(): boolean {
    return this.#ready;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  onReady(listener: () => void): void {
    this.#listener = listener;
  }

  ready(): boolean {
    return this.#ready && !this.#running;
  }

  /** Loads the model. Rejects with LoadFailed, when the native library crashes on it too. */
  async load(path: string): Promise<LoadedModel> {
    this.#path = path;
    const model = await this.#loadInto(path);
    this.#serve(model);
    return model;
  }

  async run(inputs: readonly SentTensor[], outputs: readonly string[]): Promise<RunOutcome> {
    this.#running = true;
    try {
      const result = await this.#process.run(inputs, outputs);
      this.#fruitless = 0;
      return { kind: "done", ...result };
    } catch (error) {
      if (error instanceof ExecutorRefused) return { kind: "refused", reason: error.message };
      this.#ready = false;
      return { kind: "died" };
    } finally {
      this.#running = false;
    }
  }

  replace(): void {
    this.#ready = false;
    this.#process.kill();
  }

  /** Ends the process for good without waiting; for the parent's own end. */
  kill(): void {
    this.#closed = true;
    this.#process.kill();
  }

  /** Ends the process for good, whatever it does. */
  async close(): Promise<void> {
    this.#ready = false;
    this.kill();
    await this.#process.exited;
  }

  #serve(model: LoadedModel): void {
    const before = this.#provider;
    this.#provider = model.provider;
    if (before !== undefined && before !== model.provider) this.#options.observer.moved(model);
    const serving = this.#process;
    void serving.exited.then((death) => {
      this.#ready = false;
      this.#respawn(death.message);
    });
    this.#ready = true;
    this.#listener();
  }

  /** One load, with a warm-up if the model bears it. */
  async #loadInto(path: string): Promise<LoadedModel> {
    const { threads, spinning = false, loadTimeoutMs } = this.#options;
    try {
      const limitMs = this.#warmUp ? loadTimeoutMs / 4 : loadTimeoutMs;
      return await this.#within(limitMs, { path, threads, spinning, warmUp: this.#warmUp });
    } catch (error) {
      if (error instanceof ExecutorRefused) throw new LoadFailed(error.message, { cause: error });
      if (!this.#warmUp || this.#closed) {
        throw new LoadFailed(messageOf(error), { cause: error });
      }
      // Made-up input may hang a model or crash it that serves well otherwise.
      this.#warmUp = false;
      this.#process = new ExecutorProcess(this.#options.entry);
      return this.#loadInto(path);
    }
  }

  async #within(limitMs: number, options: LoadOptions): Promise<LoadedModel> {
    let late = false;
    const cancel = this.#options.clock.after(limitMs, () => {
      late = true;
      this.#process.kill();
    });
    try {
      return await this.#process.load(options);
    } catch (error) {
      if (late) throw new ExecutorDied(`loading took longer than ${limitMs} ms`, { cause: error });
      throw error;
    } finally {
      cancel();
    }
  }

  #respawn(reason: string): void {
    if (this.#closed || this.#path === undefined) return;
    const path = this.#path;
    this.#fruitless++;
    this.#options.observer.respawned(reason);
    this.#options.clock.after(backoffMs(this.#fruitless), () => {
      if (this.#closed) return;
      this.#process = new ExecutorProcess(this.#options.entry);
      this.#loadInto(path).then(
        (model) => this.#serve(model),
        (error: unknown) => {
          this.#process.kill();
          this.#options.observer.respawnFailed(messageOf(error));
          this.#respawn(messageOf(error));
        },
      );
    });
  }
}
