/** One predictor process on this machine: started, watched until it is ready, ended. I/O only. */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { Pool, type Dispatcher } from "undici";
import { wordsOf, type Ending } from "./ending.ts";
import { predictorEnvironment } from "./environment.ts";
import type { Process } from "./fleet.ts";
import type { ServicePlan } from "./plan.ts";

export interface LaunchOptions {
  readonly plan: ServicePlan;
  readonly replica: number;
  /** Program that keeps docs/runtime-contract.md, run by this Node. */
  readonly program: string;
  /** Folder for this program's processes; each makes one of its own in it. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  onOutput(line: string): void;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** The first seconds are polled closely: what is waited for is somebody's request. */
const POLL_CLOSELY_MS = 10;
const POLL_MS = 50;
const CLOSE_POLLS = 500;
const POLL_TIMEOUT_MS = 1000;
/** More requests than this share connections one after the other. */
const CONNECTIONS_MAX = 512;
const LAST_LINES = 40;
/** After the end, for the last lines that are still in the pipe. */
const OUTPUT_WAIT_MS = 1000;
const LINE_LENGTH_MAX = 2000;
const LAST_WORDS_BYTES_MAX = 4096;

export class PredictorProcess implements Process {
  readonly ready: Promise<void>;
  readonly ended: Promise<Ending>;
  readonly #options: LaunchOptions;
  readonly #lastLines: string[] = [];
  readonly #becameReady = Promise.withResolvers<void>();
  #child: Child | undefined;
  #pool: Pool | undefined;
  #over = false;
  #terminating: NodeJS.Timeout | true | undefined;

  constructor(options: LaunchOptions) {
    this.#options = options;
    this.ready = this.#becameReady.promise;
    this.ended = this.#live();
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Where its requests go. Only of a process that became ready. */
  get dispatcher(): Dispatcher {
    if (this.#pool === undefined) {
      throw new Error("a process that is not ready takes no requests");
    }
    return this.#pool;
  }

  terminate(graceMs: number, onKilled: () => void): void {
    if (this.#over || this.#terminating !== undefined) {
      return;
    }
    if (this.#child === undefined) {
      this.#terminating = true;
      return;
    }
    this.#child.kill("SIGTERM");
    this.#terminating = setTimeout(() => {
      onKilled();
      this.kill();
    }, graceMs);
  }

  kill(): void {
    this.#terminating ??= true;
    this.#signalGroup();
  }

  /** The whole life; the promise is that of the end. */
  async #live(): Promise<Ending> {
    let folder: string | undefined;
    try {
      const { folder: parent, plan, replica } = this.#options;
      folder = await mkdtemp(path.join(parent, `${plan.name}-${replica}-`));
      return await this.#run(folder);
    } catch (error) {
      const lastWords = error instanceof Error ? error.message : String(error);
      return { exitCode: undefined, signal: undefined, lastWords };
    } finally {
      this.#over = true;
      if (typeof this.#terminating === "object") {
        clearTimeout(this.#terminating);
      }
      await this.#pool?.destroy();
      if (folder !== undefined) {
        await rm(folder, { recursive: true, force: true, maxRetries: 3 });
      }
    }
  }

  async #run(folder: string): Promise<Ending> {
    const modelDir = path.join(folder, "models");
    const terminationLog = path.join(folder, "termination-log");
    await mkdir(modelDir);
    const port = await freePort();
    if (this.#terminating !== undefined) {
      return { exitCode: 0, signal: undefined, lastWords: "" };
    }
    const { plan, program, env } = this.#options;
    const child = spawn(process.execPath, [program, ...plan.args], {
      env: predictorEnvironment(plan, { port, modelDir, terminationLog }, env),
      stdio: ["pipe", "pipe", "pipe"],
      // A process group of its own: Ctrl-C of the terminal is ours to translate, and the group can
      // be ended as one.
      detached: true,
    });
    this.#child = child;
    const exited = exitOf(child);
    const closed = new Promise((resolve) => child.once("close", resolve));
    this.#listen(child);
    const pool = new Pool(`http://127.0.0.1:${port}`, {
      connections: CONNECTIONS_MAX,
      // The request's deadline is the front's.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.#pool = pool;
    void this.#watch(pool);
    const { exitCode, signal } = await exited;
    // Executors outlive a predictor that was killed, and hold its output open; its process group is
    // theirs.
    this.#signalGroup();
    await Promise.race([closed, delay(OUTPUT_WAIT_MS, undefined, { ref: false })]);
    const words = (await lastWords(terminationLog)) || wordsOf(this.#lastLines);
    return { exitCode, signal, lastWords: words };
  }

  #listen(child: Child): void {
    // EPIPE when it is gone; nothing is ever written.
    child.stdin.on("error", () => undefined);
    for (const stream of [child.stdout, child.stderr]) {
      const lines = createInterface({ input: stream, crlfDelay: Infinity });
      lines.on("line", (whole) => {
        const line = whole.slice(0, LINE_LENGTH_MAX);
        if (stream === child.stderr) {
          this.#lastLines.push(line);
          this.#lastLines.splice(0, this.#lastLines.length - LAST_LINES);
        }
        this.#options.onOutput(line);
      });
    }
  }

  /** Asks until it is ready or gone. */
  async #watch(pool: Pool): Promise<void> {
    for (let polls = 0; !this.#over && this.#terminating === undefined; polls++) {
      if (await isReady(pool)) {
        this.#becameReady.resolve();
        return;
      }
      await delay(polls < CLOSE_POLLS ? POLL_CLOSELY_MS : POLL_MS, undefined, { ref: false });
    }
  }

  #signalGroup(): void {
    const pid = this.#child?.pid;
    if (pid === undefined) {
      return;
    }
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // ESRCH: the group is empty, which is what was wanted.
    }
  }
}

async function isReady(pool: Pool): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(POLL_TIMEOUT_MS);
    const answer = await pool.request({ path: "/v2/health/ready", method: "GET", signal });
    await answer.body.dump();
    return answer.statusCode === 200;
  } catch {
    // Not listening yet, or gone: which of the two, its end tells.
    return false;
  }
}

interface Exit {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
}

async function exitOf(child: Child): Promise<Exit> {
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    // Not "close", which waits for everybody who holds its output.
    child.once("exit", (code, signal) => {
      resolve({ exitCode: code ?? undefined, signal: signal ?? undefined });
    });
  });
}

async function lastWords(file: string): Promise<string> {
  try {
    const text = await readFile(file, "utf8");
    return text.slice(0, LAST_WORDS_BYTES_MAX).trim();
  } catch {
    return "";
  }
}

/**
 * A port of the loopback interface that is free now. Somebody may take it before the predictor
 * listens; then that start fails and the next one gets another.
 */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
