/**
 * The thread that does the tasks: tokenises, decodes pictures, picks answers. It is a thread so
 * that a text of a million characters keeps no health check waiting. It needs no process of its
 * own: what runs in it ends by itself, and the thread can be replaced if it doesn't.
 */
import { parentPort } from "node:worker_threads";
import type { MessagePort } from "node:worker_threads";
import { messageOf, ServingError } from "../../errors.ts";
import type { Tensor } from "../../protocol/tensor.ts";
import { readTaskFolder } from "../folder.ts";
import { Gate, mapSome } from "../gate.ts";
import { makeTask } from "../make.ts";
import type { TaskName } from "../names.ts";
import { threadBytes } from "../../threads/memory.ts";
import { encodeAnswers } from "../signatures.ts";
import type { Task, TaskContext } from "../task.ts";
import type { Answered, Fault, FromWorker, TaskModel, ToWorker } from "./messages.ts";

/** Runs of one question at a time: a book of windows must not fill the queue of all. */
const runsMax = 8;
/** Native memory of a tokenizer per byte of its file: measured with 30 000 and 250 000 words. */
const nativeShare = 10;

type Waiting = {
  readonly id: number;
  readonly resolve: (outputs: readonly Tensor[]) => void;
  readonly reject: (error: Error) => void;
};

/** Serves the other side until it ends the thread. */
export function runTaskWorker(): void {
  if (parentPort === null) return;
  const worker = new TaskWorker(parentPort);
  parentPort.on("message", (message: ToWorker) => worker.receive(message));
}

class TaskWorker {
  readonly #port: MessagePort;
  readonly #calls = new Map<number, Waiting>();
  /** Questions that somebody waits for. */
  readonly #asked = new Set<number>();
  #nextCall = 1;
  #task: Task | undefined;
  #name: TaskName | undefined;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  #send(message: FromWorker): void {
    this.#port.postMessage(message, []);
  }

  receive(message: ToWorker): void {
    if (message.type === "load") void this.#load(message);
    else if (message.type === "ask") void this.#ask(message);
    else if (message.type === "cancel") this.#cancel(message.id);
    else this.#settle(message);
  }

  async #load({ task, modelPath, graphs }: TaskModel): Promise<void> {
    try {
      this.#name = task;
      const folder = await readTaskFolder(modelPath);
      this.#task = await makeTask(task, { ...folder, graphs });
      const native = nativeShare * (folder.tokenizer?.length ?? 0);
      this.#send({ type: "loaded", bytes: threadBytes(native) });
    } catch (error) {
      this.#send({ type: "load-failed", reason: `task ${task}: ${messageOf(error)}` });
    }
  }

  async #ask(asked: Extract<ToWorker, { type: "ask" }>): Promise<void> {
    const { id, requests, parameters, stream, tensors } = asked;
    this.#asked.add(id);
    try {
      const task = this.#task;
      if (task === undefined) throw new Error("asked before it was loaded");
      const gate = new Gate(runsMax);
      // What is not asked yet is not prepared either: ten thousand pictures are no memory's size.
      const answers = await mapSome(requests, runsMax, async (request, index) =>
        task.answer(request, parameters, this.#contextOf(id, index, { gate, stream })),
      );
      this.#asked.delete(id);
      this.#send({ type: "answered", id, ...this.#encode(answers, tensors) });
    } catch (error) {
      this.#cancel(id);
      this.#send({ type: "failed", id, fault: faultOf(error) });
    }
  }

  #encode(answers: readonly unknown[], tensors: readonly string[] | undefined): Answered {
    if (tensors === undefined || this.#name === undefined) {
      return { kind: "json", answers: answers.map((each) => JSON.stringify(each)) };
    }
    return { kind: "tensors", tensors: encodeAnswers(this.#name, answers, tensors) };
  }

  #contextOf(id: number, request: number, how: { gate: Gate; stream: boolean }): TaskContext {
    return {
      emit: (text) => {
        if (how.stream) this.#send({ type: "piece", id, text });
      },
      run: async (graph, inputs, { give, carry = {}, rows } = {}) =>
        how.gate.pass(async () => {
          // Nobody on the other side would answer.
          if (!this.#asked.has(id)) throw over();
          const call = this.#nextCall++;
          const { promise, resolve, reject } = Promise.withResolvers<readonly Tensor[]>();
          this.#calls.set(call, { id, resolve, reject });
          this.#send({ type: "run", id, call, request, graph, inputs, give, carry, rows });
          const outputs = await promise;
          return new Map(outputs.map((tensor) => [tensor.name, tensor]));
        }),
    };
  }

  #settle(message: Extract<ToWorker, { call: number }>): void {
    const waiting = this.#calls.get(message.call);
    this.#calls.delete(message.call);
    if (message.type === "ran") waiting?.resolve(message.outputs);
    else waiting?.reject(new ServingError(message.fault.code, message.fault.message));
  }

  /** Whatever the question waits for is over; what it computes ends at its next run. */
  #cancel(id: number): void {
    this.#asked.delete(id);
    for (const [call, waiting] of this.#calls) {
      if (waiting.id !== id) continue;
      this.#calls.delete(call);
      waiting.reject(over());
    }
  }
}

function over(): ServingError {
  return new ServingError("gone", "the request is over");
}

function faultOf(error: unknown): Fault {
  if (error instanceof ServingError) return { code: error.code, message: error.message };
  const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: "failed", message: "an internal error", cause };
}
