/**
 * The parent's side of one child process: spawn, load, run, kill. It lives once; who wants another
 * spawns another.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import type { SentTensor, Tensor } from "../protocol/tensor.ts";
import { BriefPoll } from "./brief-poll.ts";
import { FrameReader, FrameWriter } from "./frames.ts";
import type { Frame, SentFrame } from "./frames.ts";
import type { LoadedModel, LoadOptions, Message } from "./messages.ts";

/** How to start the child: the command, and what makes it one. */
export type ChildEntry = {
  readonly command: string;
  readonly args: readonly string[];
  /** Instead of this process' own environment. */
  readonly environment?: Readonly<Record<string, string>>;
};

/** The process ended under a load or a run: killed, or a fault in native code. */
export class ExecutorDied extends Error {
  override readonly name = "ExecutorDied";
}

/** onnxruntime said no: to the model, or to an input. */
export class ExecutorRefused extends Error {
  override readonly name = "ExecutorRefused";
}

export type RunResult = { readonly outputs: readonly Tensor[]; readonly ms: number };

type Settle = { resolve: (frame: Frame) => void; reject: (error: Error) => void };

export class ExecutorProcess {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #writer: FrameWriter;
  readonly #pending = new Map<number, Settle>();
  readonly #poll = new BriefPoll({ waiting: () => this.#pending.size > 0 });
  #nextId = 1;
  #death: ExecutorDied | undefined;
  /** Settles when the process has ended, whatever the way. */
  readonly exited: Promise<ExecutorDied>;

  constructor(entry: ChildEntry) {
    this.#child = spawn(entry.command, entry.args, {
      stdio: ["ignore", "inherit", "inherit", "pipe"],
      ...(entry.environment === undefined ? {} : { env: entry.environment }),
    });
    // Node makes a "pipe" beyond the standard three a socket pair, open in both directions.
    this.#socket = this.#child.stdio[3] as Socket;
    this.#writer = new FrameWriter(this.#socket);
    const reader = new FrameReader();
    this.#socket.on("data", (chunk: Buffer) => {
      for (const frame of reader.push(chunk)) this.#settle(frame);
    });
    this.#socket.on("error", () => {}); // "exit" follows and says more
    const { promise, resolve } = Promise.withResolvers<ExecutorDied>();
    this.exited = promise;
    const died = (why: string): void => {
      this.#death ??= new ExecutorDied(`the executor process ${why}`);
      for (const { reject } of this.#pending.values()) reject(this.#death);
      this.#pending.clear();
      resolve(this.#death);
    };
    this.#child.once("error", (error) => died(`did not start: ${error.message}`));
    this.#child.once("exit", (code, signal) =>
      died(signal === null ? `ended with code ${code ?? "unknown"}` : `was ended by ${signal}`),
    );
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Loads a model as the session of that number. Rejects with ExecutorRefused or ExecutorDied. */
  async load(options: LoadOptions, session = 0): Promise<LoadedModel> {
    const id = this.#nextId++;
    // What polls between the steps of a run and what polls for its end need a CPU more than one.
    this.#poll.enabled = options.spinning === true;
    const load: Message = { type: "load", id, session, ...options };
    const { message } = await this.#ask(id, { message: load, tensors: [] });
    if (message.type === "loaded") return message.model;
    throw new ExecutorRefused(message.type === "load-failed" ? message.reason : message.type);
  }

  /** Runs a model. Rejects with ExecutorRefused or ExecutorDied. */
  async run(
    inputs: readonly SentTensor[],
    outputs: readonly string[],
    session = 0,
  ): Promise<RunResult> {
    const id = this.#nextId++;
    const run: Message = { type: "run", id, session, outputs };
    const asked = this.#ask(id, { message: run, tensors: inputs });
    this.#poll.sent();
    const frame = await asked;
    const { message } = frame;
    if (message.type === "ran") {
      this.#poll.ran(message.ms);
      return { outputs: frame.tensors, ms: message.ms };
    }
    throw new ExecutorRefused(message.type === "run-failed" ? message.reason : message.type);
  }

  /** Frees a session. Resolves with the memory of the process after that, in bytes. */
  async unload(session: number): Promise<number> {
    const id = this.#nextId++;
    return this.#measured(id, { type: "unload", id, session });
  }

  /** The memory of the process, in bytes. Rejects with ExecutorDied. */
  async measure(): Promise<number> {
    const id = this.#nextId++;
    return this.#measured(id, { type: "measure", id });
  }

  async #measured(id: number, question: Message): Promise<number> {
    const { message } = await this.#ask(id, { message: question, tensors: [] });
    if (message.type === "measured") return message.rssBytes;
    throw new ExecutorRefused(message.type);
  }

  /** Ends the process, even in the middle of a run: only SIGKILL can. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async #ask(id: number, frame: SentFrame): Promise<Frame> {
    if (this.#death !== undefined) throw this.#death;
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    this.#pending.set(id, { resolve, reject });
    this.#writer.write(frame);
    return promise;
  }

  #settle(frame: Frame): void {
    const { id } = frame.message;
    const settle = this.#pending.get(id);
    this.#pending.delete(id);
    settle?.resolve(frame);
  }
}
