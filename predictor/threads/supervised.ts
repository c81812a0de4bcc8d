/**
 * Keeps one thread with something loaded: replaces it when it died or no longer listens, slower
 * each time that it ends without having done anything.
 */
import type { Worker } from "node:worker_threads";
import type { Clock } from "../batch/port.ts";
import { messageOf } from "../errors.ts";
import { backoffMs, LoadFailed } from "../executor/supervisor.ts";
import { startThread } from "./start.ts";
import type { ThreadName } from "./start.ts";

/** What every thread says first; `bytes` is the memory that it takes. */
export type LoadAnswer =
  | { readonly type: "loaded"; readonly bytes: number }
  | { readonly type: "load-failed"; readonly reason: string };

export type ThreadOptions<From> = {
  readonly name: ThreadName;
  /** Sent to each new thread, which answers with a LoadAnswer; of the model at that path. */
  readonly load: (modelPath: string) => object;
  /** A load that takes longer counts as failed. */
  readonly loadTimeoutMs: number;
  /** Whether one that ended is replaced at once; else who needs it opens it again. */
  readonly respawns: boolean;
  readonly clock: Clock;
  readonly receive: (message: From) => void;
  /** What was asked of the thread is lost. */
  readonly lost: (reason: string) => void;
  /** For the log. */
  readonly onRestart: (reason: string) => void;
};

export class SupervisedThread<From extends { readonly type: string }, To extends object> {
  readonly #options: ThreadOptions<From>;
  #worker: Worker | undefined;
  #starting: Worker | undefined;
  #modelPath = "";
  #fruitless = 0;
  #closed = true;
  /** Memory that it took when it was loaded last, in bytes. */
  bytes = 0;

  constructor(options: ThreadOptions<From>) {
    this.#options = options;
  }

  /** Starts a thread, the first or after a close(). Rejects with LoadFailed. */
  async open(modelPath: string): Promise<void> {
    this.#modelPath = modelPath;
    const worker = await this.#start();
    this.#closed = false;
    this.#serve(worker);
  }

  get ready(): boolean {
    return this.#worker !== undefined;
  }

  /** To nowhere while the thread is being replaced. */
  post(message: To): void {
    this.#worker?.postMessage(message, []);
  }

  /** It did what it is for: the next end is not one of a row. */
  worked(): void {
    this.#fruitless = 0;
  }

  /** Ends the thread, whatever it does, and starts another. */
  replace(reason: string): void {
    const worker = this.#worker;
    if (this.#closed || worker === undefined) return;
    this.#worker = undefined;
    this.#options.lost(reason);
    this.#options.onRestart(reason);
    void worker.terminate();
    if (this.#options.respawns) this.#respawn();
  }

  /** Ends the thread; nothing is left to do after the first time. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const worker = this.#worker;
    this.#worker = undefined;
    this.#options.lost("the predictor is closing");
    await worker?.terminate();
  }

  async #start(): Promise<Worker> {
    const worker = startThread(this.#options.name);
    this.#starting = worker;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = (error: Error): void => reject(new LoadFailed(error.message, { cause: error }));
    const listen = (message: LoadAnswer): void => {
      if (message.type === "loaded") {
        this.bytes = message.bytes;
        resolve();
      }
      if (message.type === "load-failed") fail(new Error(message.reason));
    };
    worker.on("message", listen);
    // What it says while it loads counts as well.
    worker.on("message", (message: From) => {
      if (this.#starting === worker || this.#worker === worker) this.#options.receive(message);
    });
    worker.once("error", fail);
    const ended = (): void => fail(new Error("the thread ended while it was loading"));
    worker.once("exit", ended);
    const { clock, load, loadTimeoutMs } = this.#options;
    const late = (): void => fail(new Error(`loading took longer than ${loadTimeoutMs} ms`));
    const cancel = clock.after(loadTimeoutMs, late);
    worker.postMessage(load(this.#modelPath), []);
    try {
      await promise;
      return worker;
    } catch (error) {
      await worker.terminate();
      throw error;
    } finally {
      cancel();
      worker.off("message", listen);
      worker.off("error", fail);
      worker.off("exit", ended);
    }
  }

  #serve(worker: Worker): void {
    this.#worker = worker;
    const replace = (reason: string): void => {
      if (this.#worker === worker) this.replace(reason);
    };
    worker.on("error", (error) => replace(messageOf(error)));
    worker.on("exit", () => replace("the thread ended"));
    // It alone is no reason to go on.
    worker.unref();
  }

  #respawn(): void {
    this.#fruitless++;
    this.#options.clock.after(backoffMs(this.#fruitless), () => {
      if (this.#closed) return;
      this.#start().then(
        (worker) => (this.#closed ? void worker.terminate() : this.#serve(worker)),
        (error: unknown) => {
          this.#options.onRestart(messageOf(error));
          this.#respawn();
        },
      );
    });
  }
}
