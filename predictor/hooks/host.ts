/** The HTTP process's side of a handler: asks it, waits so long, and works off what comes after. */
import { randomUUID } from "node:crypto";
import type { Clock } from "../batch/port.ts";
import { ServingError } from "../errors.ts";
import type { Bytes } from "../protocol/tensor.ts";
import type { Companion, Presence } from "../threads/presence.ts";
import { SupervisedThread } from "../threads/supervised.ts";
import type { BodyOf, FromHooks, HookName, ToHooks } from "./messages.ts";
import type { HookRequest } from "./types.ts";

export type HookHostOptions = {
  /** The handler of the model at a path, and the model's folder. */
  readonly locate: (modelPath: string) => { readonly path: string; readonly folder: string };
  readonly model: { readonly name: string; readonly version: string };
  /** For one call of one hook. */
  readonly timeoutMs: number;
  /** Calls of afterResponse that may wait; more are dropped. */
  readonly queueMax: number;
  readonly loadTimeoutMs: number;
  /** Where the model may leave memory: a request holds it there, and the thread goes with it. */
  readonly presence?: Presence | undefined;
  readonly clock: Clock;
  readonly onRestart: (reason: string) => void;
  readonly log: (entry: { readonly fault: boolean; readonly message: string }) => void;
  readonly closed?: (host: HookHost) => void;
};

export type Replaced = BodyOf & { readonly json: boolean };

type Calling = {
  readonly resolve: (replaced: Replaced | undefined) => void;
  readonly reject: (error: ServingError) => void;
  readonly stopTimer: () => void;
};

type After = Extract<ToHooks, { readonly type: "afterResponse" }>;

/** Calls of afterResponse at a time: uploads wait for others, and rarely for this process. */
const aftersMax = 16;
/** Bodies that may wait for afterResponse. */
const waitingBytesMax = 268_435_456;
/** A thread that doesn't answer for so long does not listen. */
const deafMs = 5000;

export class HookHost implements Companion {
  readonly #options: HookHostOptions;
  readonly #thread: SupervisedThread<FromHooks, ToHooks>;
  readonly #calling = new Map<string, Calling>();
  readonly #deaf = new Map<number, () => void>();
  readonly #waiting: After[] = [];
  /** Lets go of the model that a request holds in memory. */
  readonly #releases = new Map<number, () => void>();
  /** Requests between begin() and after(). */
  #open = 0;
  #waitingBytes = 0;
  #running = 0;
  #dropped = 0;
  #names: ReadonlySet<HookName> = new Set();
  #nextId = 1;
  #onIdle: () => void = () => {};

  private constructor(options: HookHostOptions) {
    this.#options = options;
    const load = (modelPath: string): ToHooks => {
      const { path, folder } = options.locate(modelPath);
      return { type: "load", path, model: { ...options.model, folder } };
    };
    this.#thread = new SupervisedThread({
      ...options,
      name: "hooks",
      load,
      respawns: options.presence === undefined,
      receive: (message) => this.#receive(message),
      lost: (reason) => this.#lose(reason),
    });
  }

  /** Loads the handler. Rejects with LoadFailed, which names the file and the line. */
  static async open(modelPath: string, options: HookHostOptions): Promise<HookHost> {
    const host = new HookHost(options);
    await host.resume(modelPath);
    options.presence?.join(host);
    return host;
  }

  /** Requests are taken; where the model may leave memory, they bring the thread back. */
  get ready(): boolean {
    return this.#options.presence !== undefined || this.awake;
  }

  get awake(): boolean {
    return this.#thread.ready;
  }

  get bytes(): number {
    return this.#thread.bytes;
  }

  /** Whether the handler has a hook. */
  has(name: HookName): boolean {
    return this.#names.has(name);
  }

  /** No request is on its way, and nothing is left to do after one. */
  get idle(): boolean {
    return this.#open === 0 && this.#running === 0 && this.#waiting.length === 0;
  }

  async resume(modelPath: string): Promise<void> {
    await this.#thread.open(modelPath);
  }

  async suspend(): Promise<void> {
    await this.#thread.close();
  }

  /** A request comes: to be called with its body before anything else. */
  begin(request: Omit<HookRequest, "body" | "id">, bytes: Bytes): Hooked {
    const id = this.#nextId++;
    const head = { ...request, id: request.headers["x-request-id"] ?? randomUUID() };
    this.#open++;
    const held = this.#hold(id);
    const begin = async (): Promise<Replaced | undefined> =>
      this.#call("preprocess", { type: "preprocess", id, head, bytes });
    return new Hooked(id, held === undefined ? begin() : held.then(begin), {
      call: async (name, message) => this.#call(name, message),
      after: (message) => {
        this.#open--;
        if (held === undefined) this.#queue(message);
        // What could not be brought into memory has no handler to tell.
        else void held.then(() => this.#queue(message)).catch(() => this.#pump());
      },
      abort: () => this.#abort(id),
    });
  }

  #hold(id: number): Promise<void> | undefined {
    return this.#options.presence?.hold().then((release) => void this.#releases.set(id, release));
  }

  /** There is nothing more to do for the request. */
  #forget(id: number): void {
    this.#thread.post({ type: "forget", id });
    this.#releases.get(id)?.();
    this.#releases.delete(id);
  }

  /** Waits until afterResponse has done with what waits. Resolves with the number it left. */
  async drain(limitMs: number): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(limitMs, resolve);
    this.#onIdle = resolve;
    if (!this.idle) await promise;
    cancel();
    return this.#open + this.#running + this.#waiting.length;
  }

  async close(): Promise<void> {
    await this.suspend();
    this.#options.closed?.(this);
  }

  async #call(name: HookName, message: ToHooks & { id: number }): Promise<Replaced | undefined> {
    if (!this.awake) throw new ServingError("not-ready", "the handler is being restarted");
    this.#thread.post(message);
    // Posted all the same: the other hooks want to know the request.
    if (!this.#names.has(name)) return undefined;
    const { promise, resolve, reject } = Promise.withResolvers<Replaced | undefined>();
    const key = keyOf(name, message.id);
    const late = (): void => {
      this.#settle(key)?.reject(
        new ServingError("deadline", `the handler's ${name} did not finish in time`),
      );
      this.#abort(message.id);
    };
    const stopTimer = this.#options.clock.after(this.#options.timeoutMs, late);
    this.#calling.set(key, { resolve, reject, stopTimer });
    return promise;
  }

  #receive(message: FromHooks): void {
    if (message.type === "hooks") this.#names = new Set(message.names);
    if (message.type === "log") this.#options.log({ fault: false, message: message.message });
    if (message.type === "aborted") {
      this.#deaf.get(message.id)?.();
      this.#deaf.delete(message.id);
    }
    if (message.type === "done") {
      this.#thread.worked();
      this.#settle(keyOf(message.hook, message.id))?.resolve(message.replaced);
    }
    if (message.type === "failed") {
      const { code, message: text, cause } = message;
      const error = new ServingError(code, text, cause === undefined ? {} : { cause });
      this.#settle(keyOf(message.hook, message.id))?.reject(error);
    }
  }

  #settle(key: string): Calling | undefined {
    const calling = this.#calling.get(key);
    this.#calling.delete(key);
    calling?.stopTimer();
    return calling;
  }

  #abort(id: number): void {
    if (!this.awake || this.#deaf.has(id)) return;
    this.#thread.post({ type: "abort", id });
    const deaf = (): void => this.#thread.replace("the handler's thread does not listen");
    this.#deaf.set(id, this.#options.clock.after(deafMs, deaf));
  }

  #lose(reason: string): void {
    for (const cancel of this.#deaf.values()) cancel();
    this.#deaf.clear();
    for (const key of this.#calling.keys()) {
      const error = new ServingError("failed", "the handler ended unexpectedly", { cause: reason });
      this.#settle(key)?.reject(error);
    }
  }

  #queue(message: After): void {
    if (!this.#names.has("afterResponse")) return this.#forget(message.id);
    const full = this.#waiting.length >= this.#options.queueMax;
    if (full || this.#waitingBytes + message.bytes.byteLength > waitingBytesMax) {
      this.#forget(message.id);
      this.#dropped++;
      const text = `afterResponse is too slow: ${this.#dropped} calls dropped so far`;
      this.#options.log({ fault: true, message: text });
      return;
    }
    this.#waiting.push(message);
    this.#waitingBytes += message.bytes.byteLength;
    this.#pump();
  }

  #pump(): void {
    while (this.#running < aftersMax) {
      const message = this.#waiting.shift();
      if (message === undefined) break;
      this.#waitingBytes -= message.bytes.byteLength;
      this.#running++;
      void this.#runAfter(message);
    }
    if (this.idle) this.#onIdle();
  }

  async #runAfter(message: After): Promise<void> {
    try {
      await this.#call("afterResponse", message);
    } catch (error) {
      const { message: text, cause } = error as ServingError;
      const why = typeof cause === "string" ? `${text}: ${cause}` : text;
      this.#options.log({ fault: true, message: why });
    }
    this.#forget(message.id);
    this.#running--;
    this.#pump();
  }
}

const keyOf = (name: HookName, id: number): string => `${name} ${id}`;

type Ask = {
  readonly call: (
    name: HookName,
    message: ToHooks & { id: number },
  ) => Promise<Replaced | undefined>;
  readonly after: (message: After) => void;
  readonly abort: () => void;
};

/** One request on its way through a handler. */
export class Hooked {
  readonly #id: number;
  readonly #begun: Promise<Replaced | undefined>;
  readonly #ask: Ask;

  constructor(id: number, begun: Promise<Replaced | undefined>, ask: Ask) {
    this.#id = id;
    this.#begun = begun;
    this.#ask = ask;
  }

  /** The body to go on with, where it isn't the client's. Rejects with ServingError. */
  async preprocess(): Promise<Replaced | undefined> {
    return this.#begun;
  }

  /** The answer's body, where it isn't ours. Rejects with ServingError. */
  async postprocess(status: number, bytes: Bytes): Promise<Replaced | undefined> {
    return this.#ask.call("postprocess", { type: "postprocess", id: this.#id, status, bytes });
  }

  /** The answer was sent. */
  after(status: number, bytes: Bytes, durationMs: number): void {
    this.#ask.after({ type: "afterResponse", id: this.#id, status, bytes, durationMs });
  }

  /** The client has left. */
  abort(): void {
    this.#ask.abort();
  }
}
