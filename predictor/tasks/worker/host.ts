/**
 * The HTTP process's side of the thread that does the tasks: passes questions in and runs out, keeps
 * the caches of generations, and replaces a thread that died or no longer listens.
 */
import type { Ticket, Work } from "../../batch/batcher.ts";
import type { Clock } from "../../batch/port.ts";
import { messageOf, ServingError } from "../../errors.ts";
import type { ServingErrorCode } from "../../errors.ts";
import type { JsonObject } from "../../protocol/json.ts";
import type { Signature, Tensor } from "../../protocol/tensor.ts";
import { SupervisedThread } from "../../threads/supervised.ts";
import type { GraphName, TaskRequest } from "../task.ts";
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
  readonly clock: Clock;
  readonly onRestart: (reason: string) => void;
};

export type Question = {
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
  /** The caches of its requests: the inputs of the next run by name. */
  readonly carried: Map<number, Map<string, Tensor>>;
  readonly tickets: Set<Ticket>;
  readonly stopTimer: () => void;
};

/** A thread that lets so long pass after a question was taken back has no ear for others either. */
const deafMs = 10_000;

export class TaskHost {
  readonly #options: TaskHostOptions;
  readonly #asking = new Map<number, Asking>();
  /** Taken back, but not yet answered by the thread. */
  readonly #deaf = new Map<number, () => void>();
  readonly #thread: SupervisedThread<FromWorker, ToWorker>;
  #nextId = 1;

  private constructor(options: TaskHostOptions) {
    this.#options = options;
    const { model, clock, onRestart } = options;
    this.#thread = new SupervisedThread({
      name: "tasks",
      load: { type: "load", ...model } satisfies ToWorker,
      clock,
      receive: (message) => void this.#receive(message),
      lost: (reason) => this.#fail(reason),
      onRestart,
    });
  }

  /** Starts the thread and loads the task. Rejects with LoadFailed. */
  static async open(options: TaskHostOptions): Promise<TaskHost> {
    const host = new TaskHost(options);
    await host.#thread.open();
    return host;
  }

  get ready(): boolean {
    return this.#thread.ready;
  }

  /** Asks. The answers reject with ServingError, whatever becomes of the thread. */
  ask({ requests, parameters, tensors, onPiece }: Question): Asked {
    const { promise, resolve, reject } = Promise.withResolvers<Answered>();
    // Whoever asked may have gone before it could listen: that must not end the process.
    promise.catch(() => {});
    const refuse = (code: ServingErrorCode, message: string, cause?: unknown): Asked => {
      reject(new ServingError(code, message, cause === undefined ? {} : { cause }));
      return { answered: promise, cancel: () => {} };
    };
    if (!this.ready) return refuse("not-ready", "the task is being restarted");
    if (this.#asking.size >= this.#options.questionsMax) {
      return refuse("overloaded", "too many requests are waiting, try again later");
    }
    const id = this.#nextId++;
    const stream = onPiece !== undefined;
    try {
      this.#thread.post({ type: "ask", id, requests, parameters, stream, tensors });
    } catch (error) {
      return refuse("failed", "the question can't be passed on to the task", error);
    }
    const late = (): void =>
      this.#giveUp(id, new ServingError("deadline", "the inference did not finish in time"));
    this.#asking.set(id, {
      onPiece: onPiece ?? (() => {}),
      resolve,
      reject,
      carried: new Map(),
      tickets: new Set(),
      stopTimer: this.#options.clock.after(this.#options.timeoutMs, late),
    });
    const cancel = (): void => this.#giveUp(id, new ServingError("gone", "the client left"));
    return { answered: promise, cancel };
  }

  async close(): Promise<void> {
    await this.#thread.close();
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
    const { id, call, request, graph, carry, give } = run;
    const asking = this.#asking.get(id);
    const port = this.#options.graphs.get(graph);
    if (asking === undefined || port === undefined) return;
    const carried = asking.carried.get(request) ?? new Map<string, Tensor>();
    const given = new Map(run.inputs.map((tensor) => [tensor.name, tensor]));
    const ticket = port.submit({
      inputs: port.signature.inputs.flatMap(
        ({ name }) => given.get(name) ?? carried.get(name) ?? [],
      ),
      outputs: port.signature.outputs
        .map(({ name }) => name)
        .filter((name) => give === undefined || give.includes(name) || name in carry),
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
    this.#thread.post({ type: "cancel", id });
    const deaf = (): void => this.#thread.replace("the thread of the task does not listen");
    this.#deaf.set(id, this.#options.clock.after(deafMs, deaf));
  }

  #take(id: number): Asking | undefined {
    const asking = this.#asking.get(id);
    this.#asking.delete(id);
    asking?.stopTimer();
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
