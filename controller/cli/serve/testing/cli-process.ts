/** The real program as a process of its own, for tests: its events as they come, and its end. */
import assert from "node:assert/strict";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ServeEvent } from "../events.ts";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

type EventOf<K extends ServeEvent["event"]> = Extract<ServeEvent, { event: K }>;

export class CliProcess implements AsyncDisposable {
  readonly pid: number;
  /** Exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  stderr = "";
  /** Other lines than events. */
  readonly lines: string[] = [];
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #events: ServeEvent[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #taken = new Map<string, number>();

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [MAIN, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    assert.ok(this.#child.pid !== undefined);
    this.pid = this.#child.pid;
    this.ended = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => {
        resolve(code ?? signal ?? "");
        this.#listeners.forEach((listener) => listener());
      });
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      if (!line.startsWith("{")) {
        this.lines.push(line);
        return;
      }
      this.#events.push(JSON.parse(line) as ServeEvent);
      this.#listeners.forEach((listener) => listener());
    });
  }

  /** The next event of this kind, past ones that nobody has asked for included. */
  async next<K extends ServeEvent["event"]>(kind: K): Promise<EventOf<K>> {
    const index = this.#taken.get(kind) ?? 0;
    this.#taken.set(kind, index + 1);
    for (;;) {
      const found = this.#events.filter((event) => event.event === kind)[index];
      if (found !== undefined) {
        return found as EventOf<K>;
      }
      const over = this.#child.exitCode !== null || this.#child.signalCode !== null;
      assert.ok(!over, `ended without "${kind}": ${this.stderr}${JSON.stringify(this.#events)}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#listeners.add(resolve);
      await promise;
      this.#listeners.delete(resolve);
    }
  }

  /** Everything reported until now. */
  events(): readonly ServeEvent[] {
    return this.#events;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
    for (const event of this.#events) {
      if (event.event === "ready") {
        await gone(event.pid);
      }
    }
  }
}

/** Resolves when there is no such process any more; a zombie counts as gone. */
export async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) {
    await delay(5);
  }
}

/** Processes of the group that `pid` leads or led. */
export async function groupMembers(pid: number): Promise<number[]> {
  const members: number[] = [];
  for (const name of await readdir("/proc")) {
    const stat = /^\d+$/.test(name)
      ? await readFile(`/proc/${name}/stat`, "utf8").catch(() => "")
      : "";
    // "pid (name) state parent group …"; the name may hold anything, a parenthesis included.
    const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (Number(group) === pid && state !== "Z") {
      members.push(Number(name));
    }
  }
  return members;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
