/** A predictor as a process, for tests: started on a free port, asked, watched, ended. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../main.ts", import.meta.url));
export const irisPath = fileURLToPath(
  new URL("../../examples/iris/model/iris.onnx", import.meta.url),
);

export type Answer = { status: number; headers: Headers; text: string; json: unknown };
type LogLine = { message: string; port?: number; [field: string]: unknown };

export class TestPredictor implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly log: LogLine[] = [];
  errors = "";
  port = 0;
  #seen: (() => void)[] = [];

  constructor(environment: Record<string, string>, args: string[] = []) {
    const env = {
      PATH: process.env["PATH"],
      HOST: "127.0.0.1",
      PORT: "0",
      // Whatever ends the test, the predictor ends with it.
      PARENT_LIVENESS: "stdin",
      ...environment,
    };
    this.child = spawn(process.execPath, [program, ...args], { env, stdio: "pipe" });
    this.exited = once(this.child, "exit").then(([code]) => {
      this.#wake();
      return code as number | null;
    });
    this.child.stderr?.on("data", (chunk: Buffer) => (this.errors += chunk.toString()));
    assert(this.child.stdout);
    createInterface(this.child.stdout).on("line", (line) => {
      const entry = JSON.parse(line) as LogLine;
      this.log.push(entry);
      this.port ||= entry.port ?? 0;
      this.#wake();
    });
  }

  /** One that serves. */
  static async serving(environment: Record<string, string>): Promise<TestPredictor> {
    const predictor = new TestPredictor(environment);
    await predictor.logged("serving");
    return predictor;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Waits for a message in the log, so many times. */
  async logged(message: string, times = 1): Promise<void> {
    const found = (): number => this.log.filter((entry) => entry.message === message).length;
    while (found() < times) await this.#logs(message);
  }

  /** Waits for a line of that message and these fields: an answer may overtake it. */
  async line(message: string, fields: Readonly<Record<string, unknown>>): Promise<LogLine> {
    const wanted = Object.entries({ ...fields, message });
    const find = (): LogLine | undefined =>
      this.log.find((entry) => wanted.every(([name, value]) => entry[name] === value));
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      await this.#logs(JSON.stringify({ message, ...fields }));
    }
  }

  /** Waits for one more line of the log, or the end, which is before what was waited for. */
  async #logs(awaited: string): Promise<void> {
    assert.equal(this.child.exitCode, null, `it ended before "${awaited}": ${this.errors}`);
    await new Promise<void>((resolve) => this.#seen.push(resolve));
  }

  #wake(): void {
    for (const seen of this.#seen.splice(0)) seen();
  }

  async get(path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(this.url + path, init);
    const text = await response.text();
    const isJson = response.headers.get("content-type") === "application/json";
    const { status, headers } = response;
    return { status, headers, text, json: isJson ? JSON.parse(text) : undefined };
  }

  async post(
    path: string,
    body: RequestInit["body"] | object,
    init: RequestInit = {},
  ): Promise<Answer> {
    const plain = typeof body === "string" || body instanceof Uint8Array || body == null;
    const sent = plain ? (body ?? null) : JSON.stringify(body);
    return this.get(path, { method: "POST", body: sent as string, ...init });
  }

  /** Bytes that fetch() wouldn't send; what comes back until the server closes. */
  async raw(bytes: string): Promise<string> {
    const socket = connect(this.port, "127.0.0.1");
    let answer = "";
    socket.on("data", (chunk) => (answer += chunk.toString("latin1")));
    socket.on("error", () => {}); // A reset is a way to say no.
    socket.write(bytes, "latin1");
    await once(socket, "close");
    return answer;
  }

  /** The value of a metric's line, by how the line begins. */
  async metric(start: string): Promise<number> {
    const { text } = await this.get("/metrics");
    const line = text.split("\n").find((each) => each.startsWith(start));
    assert(line, `no metric ${start}`);
    return Number(line.slice(line.lastIndexOf(" ") + 1));
  }

  /** Waits until a metric has a value: asks again and again, each answer being a turn. */
  async untilMetric(start: string, value: number): Promise<void> {
    while ((await this.metric(start)) !== value);
  }

  /** Waits until readiness says yes. */
  async untilReady(): Promise<void> {
    while ((await this.get("/v2/health/ready")).status !== 200);
  }

  /** The executor's process: the only child. */
  executorPid(): number {
    const children = this.executorPids();
    assert.equal(children.length, 1, `the predictor has children ${children.join()}`);
    return Number(children[0]);
  }

  /** The processes of the executors: all children. */
  executorPids(): number[] {
    const { pid } = this.child;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return children.split(" ").filter(Boolean).map(Number);
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }
}
