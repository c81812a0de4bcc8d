/**
 * Small bodies are decoded at once, and small answers encoded. Large ones are passed to a thread,
 * one after the other: health is answered meanwhile.
 */
import type { ResourceLimits, Worker } from "node:worker_threads";
import { messageOf, ServingError } from "../errors.ts";
import { startThread } from "../threads/start.ts";
import type { FromBodies, ToBodies } from "./messages.ts";
import { buffersOf, copied, doWork, heaviness } from "./work.ts";
import type { Given, Kind, Made } from "./work.ts";

type Waiting = {
  readonly work: ToBodies;
  readonly bytes: number;
  /** Nobody wants it any more. */
  readonly abandoned: () => boolean;
  readonly resolve: (made: Made[Kind]) => void;
  readonly reject: (error: ServingError) => void;
};

/** Does a piece of work, or has it done. Throws or rejects with ServingError. */
export type Bodies = {
  do<K extends Kind>(
    kind: K,
    given: Given[K],
    abandoned?: () => boolean,
  ): Made[K] | Promise<Made[K]>;
};

/** Who does it, and whether anybody still waits for it. */
export type How = { readonly bodies: Bodies; readonly gone: () => boolean };

/** Everything at once, whatever its size. */
export const inlineBodies: Bodies = { do: doWork };

export class ThreadedBodies implements Bodies {
  readonly #waitingBytesMax: number;
  readonly #limits: ResourceLimits;
  readonly #queue: Waiting[] = [];
  #queuedBytes = 0;
  #running: Waiting | undefined;
  /** Started by the first large body: most predictors see none. */
  #thread: Worker | undefined;

  /** `limits` are the thread's own. */
  constructor(waitingBytesMax: number, limits: ResourceLimits = {}) {
    this.#waitingBytesMax = waitingBytesMax;
    this.#limits = limits;
  }

  async close(): Promise<void> {
    await this.#thread?.terminate();
  }

  do<K extends Kind>(
    kind: K,
    given: Given[K],
    abandoned: () => boolean = () => false,
  ): Made[K] | Promise<Made[K]> {
    const bytes = heaviness(kind, given);
    if (bytes === 0) return doWork(kind, given);
    if (this.#queue.length > 0 && this.#queuedBytes + bytes > this.#waitingBytesMax) {
      throw new ServingError("overloaded", "too many large requests are waiting, try again later");
    }
    const { promise, resolve, reject } = Promise.withResolvers<Made[Kind]>();
    const work = { kind, given } as unknown as ToBodies;
    this.#queue.push({ work, bytes, abandoned, resolve, reject });
    this.#queuedBytes += bytes;
    this.#pump();
    return promise as Promise<Made[K]>;
  }

  #pump(): void {
    while (this.#running === undefined) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.#queuedBytes -= next.bytes;
      if (next.abandoned()) next.reject(new ServingError("gone", "the client left"));
      else this.#start(next);
    }
  }

  #start(next: Waiting): void {
    this.#running = next;
    try {
      this.#thread ??= this.#open();
      // Its own copy: who looks on at a request still has the body.
      const given = copied(next.work.given);
      this.#thread.postMessage({ ...next.work, given }, buffersOf(given));
    } catch (error) {
      this.#running = undefined;
      next.reject(new ServingError("failed", "an internal error", { cause: error }));
    }
  }

  #open(): Worker {
    const thread = startThread("bodies", this.#limits);
    thread.on("message", (message: FromBodies) => this.#settle(message));
    thread.on("error", (error) => this.#lose(thread, error));
    thread.on("exit", () => this.#lose(thread, new Error("the thread ended")));
    // It alone is no reason to go on.
    thread.unref();
    return thread;
  }

  #settle(message: FromBodies): void {
    const running = this.#running;
    this.#running = undefined;
    if (message.type === "made") running?.resolve(message.made);
    else {
      const { code, message: text, cause } = message;
      running?.reject(new ServingError(code, text, cause === undefined ? {} : { cause }));
    }
    this.#pump();
  }

  /** The next large body starts another thread. */
  #lose(thread: Worker, error: Error): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    const running = this.#running;
    this.#running = undefined;
    running?.reject(new ServingError("failed", "an internal error", { cause: messageOf(error) }));
    this.#pump();
  }
}
