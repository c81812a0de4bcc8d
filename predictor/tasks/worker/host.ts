/**
 * The HTTP process's side of the thread that does the tasks: passes questions in and runs out, keeps
 * the caches of generations, and replaces a thread that died or no longer listens.
 */
import type { Ticket, Work } from "../../batch/batcher.ts";
import { lateFault } from "../../batch/fault.ts";
import type { Clock } from "../../batch/port.ts";
import { messageOf, ServingError } from "../../errors.ts";
import type { JsonObject } from "../../protocol/json.ts";
import type { Scheduling } from "../../protocol/parameters.ts";
import type { Signature, Tensor } from "../../protocol/tensor.ts";
import type { Companion, Presence } from "../../threads/presence.ts";
import { SupervisedThread } from "../../threads/supervised.ts";
import type { GraphName, TaskRequest } from "../task.ts";
import { takeRows } from "../tensors.ts";
import type { Answered, FromWorker, TaskModel, ToWorker } from "./messages.ts";

/** A graph as its executor and batcher serve it. */
export type GraphPort = {
  readonly signature: Signature;
  submit(work: Work): Ticket;
};

export type TaskHostOptions = {
  readonly model: TaskModel;
  readonly graphs: ReadonlyMap<GraphName, GraphPort>;
  /** For a whole question, all of its runs. */
  readonly timeoutMs: number;
  /** Questions at a time, those that wait included. */
  readonly questionsMax: number;
  readonly loadTimeoutMs: number;
  readonly clock: Clock;
  readonly onRestart: (reason: string) => void;
  /** Where the model may leave memory: a question holds it there, and the thread goes with it. */
  readonly presence?: Presence | undefined;
};

/** Its priority is that of each of its runs, its timeout that of the whole. */
export type Question = Scheduling & {
  readonly requests: readonly TaskRequest[];
  readonly parameters: JsonObject;
  /** The outputs wanted as tensors; without it, the answers come as JSON. */
  readonly tensors?: readonly string[];
  /** Called with each piece of text of the only request. */
  readonly onPiece?: (text: string) => void;
};

export type Asked = { readonly answered: Promise<Answered>; readonly cancel: () => void };

type Asking = {
  readonly onPiece: (text: string) => void;
  readonly resolve: (answered: Answered) => void;
  readonly reject: (error: ServingError) => void;
  readonly scheduling: Pick<Scheduling, "priority">;
  /** The caches of its requests: the inputs of the next run by name. */
  readonly carried: Map<number, Map<string, Tensor>>;
  readonly tickets: Set<Ticket>;
  readonly stopTimer: () => void;
  /** Lets go of the model. */
  release: () => void;
};

/** A thread that lets so long pass after a question was taken back has no ear for others either. */
const deafMs = 10_000;

export class TaskHost implements Companion {
  readonly #options: TaskHostOptions;
  readonly #asking = new Map<number, Asking>();
  /** Taken back, but not yet answered by the thread. */
  readonly #deaf = new Map<number, () => void>();
  readonly #thread: SupervisedThread<FromWorker, ToWorker>;
  #nextId = 1;

  private constructor(options: TaskHostOptions) {
    this.#options = options;
    const { model, presence } = options;
    const load = (modelPath: string): ToWorker => ({ type: "load", ...model, modelPath });
    this.#thread = new SupervisedThread({
      ...options,
      name: "tasks",
      load,
      respawns: presence === undefined,
      receive: (message) => void this.#receive(message),
      lost: (reason) => this.#fail(reason),
    });
  }

  /** Starts the thread and loads the task. Rejects with LoadFailed. */
  static async open(options: TaskHostOptions): Promise<TaskHost> {
    const host = new TaskHost(options);
    await host.resume(options.model.modelPath);
    options.presence?.join(host);
    return host;
  }

  /** Questions are taken; where the model may leave memory, they bring the thread back. */
  get ready(): boolean {
    return this.#options.presence !== undefined || this.awake;
  }

  get awake(): boolean {
    return this.#thread.ready;
  }

  get bytes(): number {
    return this.#thread.bytes;
  }

  /** Nobody waits for an answer. */
  get idle(): boolean {
    return this.#asking.size === 0;
  }

  async resume(modelPath: string): Promise<void> {
    await this.#thread.open(modelPath);
  }

  async suspend(): Promise<void> {
    await this.#thread.close();
  }

  /** Asks. The answers reject with ServingError, whatever becomes of the thread. */
  ask(question: Question): Asked {
    const { requests, parameters, tensors, onPiece, priority } = question;
    const { timeoutMs } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Answered>();
    // Whoever asked may have gone before it could listen: that must not end the process.
    promise.catch(() => {});
    const refuse = (code: "overloaded" | "not-ready", message: string): Asked => {
      reject(new ServingError(code, message));
      return { answered: promise, cancel: () => {} };
    };
    if (!this.ready) return refuse("not-ready", "the task is being restarted");
    if (this.#asking.size >= this.#options.questionsMax) {
      return refuse("overloaded", "too many requests are waiting, try again later");
    }
    const id = this.#nextId++;
    const late = (): void => this.#giveUp(id, lateFault(question, { timeoutMs }));
    const limitMs = Math.min(question.timeoutMs ?? timeoutMs, timeoutMs);
    this.#asking.set(id, {
      onPiece: onPiece ?? (() => {}),
      resolve,
      reject,
      scheduling: priority === undefined ? {} : { priority },
      carried: new Map(),
      tickets: new Set(),
      stopTimer: this.#options.clock.after(limitMs, late),
      release: () => {},
    });
    const stream = onPiece !== undefined;
    const ask = { type: "ask", id, requests, parameters, stream, tensors } as const;
    const { presence } = this.#options;
    if (presence === undefined) this.#pass(ask);
    else void this.#askHeld(ask, presence);
    const cancel = (): void => this.#giveUp(id, new ServingError("gone", "the client left"));
    return { answered: promise, cancel };
  }

  async close(): Promise<void> {
    await this.suspend();
  }

  /** Asks once the model is in memory, unless nobody waits for it any more. */
  async #askHeld(ask: ToWorker & { readonly id: number }, presence: Presence): Promise<void> {
    try {
      const release = await presence.hold();
      const asking = this.#asking.get(ask.id);
      if (asking === undefined) return release();
      asking.release = release;
      if (!this.awake) throw new ServingError("not-ready", "the task is being restarted");
      this.#pass(ask);
    } catch (error) {
      this.#take(ask.id)?.reject(error as ServingError);
    }
  }

  /** Hands a question to the thread. One that can't travel has its answer at once. */
  #pass(ask: ToWorker & { readonly id: number }): void {
    try {
      this.#thread.post(ask);
    } catch (cause) {
      const why = "the question can't be passed on to the task";
      this.#take(ask.id)?.reject(new ServingError("failed", why, { cause }));
    }
  }

  async #receive(message: FromWorker): Promise<void> {
    if (message.type === "run") return this.#run(message);
    if (message.type === "loaded" || message.type === "load-failed") return;
    const { id } = message;
    if (message.type === "piece") return this.#asking.get(id)?.onPiece(message.text);
    this.#deaf.get(id)?.();
    this.#deaf.delete(id);
    this.#thread.worked();
    const asking = this.#take(id);
    if (message.type === "answered") return asking?.resolve(message);
    const { code, message: text, cause } = message.fault;
    asking?.reject(new ServingError(code, text, cause === undefined ? {} : { cause }));
  }

  async #run(run: Extract<FromWorker, { type: "run" }>): Promise<void> {
    const { id, call, request, graph, carry, give, rows } = run;
    const asking = this.#asking.get(id);
    const port = this.#options.graphs.get(graph);
    if (asking === undefined || port === undefined) return;
    const carried = asking.carried.get(request) ?? new Map<string, Tensor>();
    if (rows !== undefined) {
      for (const [name, tensor] of carried) carried.set(name, takeRows(tensor, rows));
    }
    const given = new Map(run.inputs.map((tensor) => [tensor.name, tensor]));
    const ticket = port.submit({
      inputs: port.signature.inputs.flatMap(
        ({ name }) => given.get(name) ?? carried.get(name) ?? [],
      ),
      outputs: port.signature.outputs
        .map(({ name }) => name)
        .filter((name) => give === undefined || give.includes(name) || name in carry),
      ...asking.scheduling,
    });
    asking.tickets.add(ticket);
    try {
      const { outputs } = await ticket.result;
      for (const tensor of outputs) {
        const name = carry[tensor.name];
        if (name !== undefined) carried.set(name, { ...tensor, name });
      }
      if (carried.size > 0) asking.carried.set(request, carried);
      const wanted = outputs.filter(({ name }) => give?.includes(name) ?? true);
      this.#thread.post({ type: "ran", call, outputs: wanted.map(compact) });
    } catch (error) {
      const code = error instanceof ServingError ? error.code : "failed";
      this.#thread.post({ type: "run-failed", call, fault: { code, message: messageOf(error) } });
    } finally {
      asking.tickets.delete(ticket);
    }
  }

  /** Nobody waits for the answer any more: what it runs leaves the queue. */
  #giveUp(id: number, error: ServingError): void {
    const asking = this.#take(id);
    if (asking === undefined) return;
    asking.reject(error);
    if (!this.awake) return;
    this.#thread.post({ type: "cancel", id });
    const deaf = (): void => this.#thread.replace("the thread of the task does not listen");
    this.#deaf.set(id, this.#options.clock.after(deafMs, deaf));
  }

  #take(id: number): Asking | undefined {
    const asking = this.#asking.get(id);
    this.#asking.delete(id);
    asking?.stopTimer();
    asking?.release();
    for (const ticket of asking?.tickets ?? []) ticket.cancel();
    return asking;
  }

  #fail(reason: string): void {
    for (const cancel of this.#deaf.values()) cancel();
    this.#deaf.clear();
    for (const id of this.#asking.keys()) {
      const cause = new Error(reason);
      this.#take(id)?.reject(new ServingError("failed", "the task ended unexpectedly", { cause }));
    }
  }
}

/** Only its own bytes: a view's whole buffer would travel with it, and its neighbours' tensors. */
function compact(tensor: Tensor): Tensor {
  return tensor.data.buffer.byteLength === tensor.data.byteLength
    ? tensor
    : { ...tensor, data: tensor.data.slice() };
}
