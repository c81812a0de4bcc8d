/**
 * The thread that a handler runs in. Its waiting never holds an executor, its computing never the
 * event loop that answers health; and when it goes astray, the thread is replaced.
 */
import { spawnSync } from "node:child_process";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { parentPort } from "node:worker_threads";
import type { MessagePort } from "node:worker_threads";
import { messageOf } from "../errors.ts";
import type { ServingErrorCode } from "../errors.ts";
import { threadBytes } from "../threads/memory.ts";
import type { BodyOf, FromHooks, HookName, ToHooks } from "./messages.ts";
import type { Handler, HookContext, HookRequest, LoadContext, Replacement } from "./types.ts";

/** Serves the other side until it ends the thread. */
export function runHooks(): void {
  if (parentPort === null) return;
  const hooks = new Hooks(parentPort);
  parentPort.on("message", (message: ToHooks) => void hooks.receive(message));
}

type Message<Type extends ToHooks["type"]> = Extract<ToHooks, { readonly type: Type }>;
type Running = { readonly context: HookContext; readonly abort: AbortController };

const hookNames: readonly HookName[] = ["preprocess", "postprocess", "afterResponse"];
const checkMsMax = 30_000;
/** Statuses that a handler may answer with; any other error is the handler's own fault. */
const clientFaults: Readonly<Record<number, ServingErrorCode>> = {
  400: "invalid",
  404: "not-found",
  429: "overloaded",
};

class Hooks {
  readonly #port: MessagePort;
  readonly #running = new Map<number, Running>();
  #handler: Handler = {};
  #base: (LoadContext & { readonly state: unknown }) | undefined;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  async receive(message: ToHooks): Promise<void> {
    if (message.type === "load") await this.#load(message);
    else if (message.type === "abort") this.#abort(message.id);
    else if (message.type === "forget") this.#running.delete(message.id);
    else await this.#call(message);
  }

  #send(message: FromHooks): void {
    this.#port.postMessage(message, []);
  }

  async #load({ path, model }: Message<"load">): Promise<void> {
    try {
      this.#handler = handlerOf((await import(pathToFileURL(path).href)) as object);
      const log = (text: string): void => this.#send({ type: "log", message: text });
      const context: LoadContext = { model, log };
      this.#base = { ...context, state: await this.#handler.load?.(context) };
      const names = hookNames.filter((name) => this.#handler[name] !== undefined);
      this.#send({ type: "hooks", names });
      this.#send({ type: "loaded", bytes: threadBytes() });
    } catch (error) {
      this.#send({ type: "load-failed", reason: `handler ${whereOf(error, path)}` });
    }
  }

  async #call(
    message: Message<"preprocess"> | Message<"postprocess"> | Message<"afterResponse">,
  ): Promise<void> {
    const { id } = message;
    try {
      const { context } = this.#running.get(id) ?? this.#begin(message);
      const replaced = await this.#run(message, context);
      const hook = message.type;
      this.#send({ type: "done", id, hook, ...(replaced && { replaced: bodyOf(replaced) }) });
    } catch (error) {
      this.#send({ type: "failed", id, hook: message.type, ...faultOf(error, message.type) });
    }
  }

  async #run(message: Message<HookName>, context: HookContext): Promise<Replacement | void> {
    if (message.type === "preprocess") {
      return this.#handler.preprocess?.(context.request, context);
    }
    const response = { status: message.status, body: valueOf(message) };
    if (message.type === "postprocess") return this.#handler.postprocess?.(response, context);
    const { durationMs } = message;
    await this.#handler.afterResponse?.(
      { request: context.request, response, durationMs },
      context,
    );
  }

  /** A handler without preprocess meets its requests later. */
  #begin(message: Message<HookName>): Running {
    if (this.#base === undefined) throw new Error("asked before it was loaded");
    if (message.type !== "preprocess") throw new Error("the request was not begun");
    const abort = new AbortController();
    const request: HookRequest = { ...message.head, body: valueOf(message) };
    const context = { ...this.#base, request, values: {}, signal: abort.signal };
    const running = { context, abort };
    this.#running.set(message.id, running);
    return running;
  }

  #abort(id: number): void {
    this.#running.get(id)?.abort.abort();
    this.#send({ type: "aborted", id });
  }
}

/** The module's own exports, or its default's. Throws for what is no function, or nothing at all. */
function handlerOf(module: object): Handler {
  const exported = { ...("default" in module ? (module.default as object) : {}), ...module };
  const entries = Object.entries(exported).filter(([name]) =>
    ["load", ...hookNames].includes(name),
  );
  const wrong = entries.find(([, value]) => typeof value !== "function");
  if (wrong !== undefined) throw new Error(`its export ${wrong[0]} is no function`);
  if (entries.length === 0) {
    throw new Error(`it exports none of load, ${hookNames.join(", ")}`);
  }
  return Object.fromEntries(entries);
}

/** The file's name and line, and what is wrong there. */
function whereOf(error: unknown, path: string): string {
  const name = basename(path);
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const places = stack.split("\n").filter((line) => line.includes(name));
  const line = lineIn(places, name) ?? (error instanceof SyntaxError && lineOfSyntax(path, name));
  const at = line === undefined || line === false ? name : `${name}:${line}`;
  return `${at}: ${messageOf(error).split("\n", 1)[0] ?? ""}`;
}

function lineIn(places: readonly string[], name: string): string | undefined {
  return places
    .map((place) => /^:(\d+)/.exec(place.slice(place.indexOf(name) + name.length))?.[1])
    .find((found) => found !== undefined);
}

/** A module's SyntaxError doesn't know where it is; Node's own check of the file does. */
function lineOfSyntax(path: string, name: string): string | undefined {
  const options = { encoding: "utf8", timeout: checkMsMax } as const;
  const { stderr } = spawnSync(process.execPath, ["--check", path], options);
  return lineIn(
    stderr.split("\n").filter((line) => line.includes(name)),
    name,
  );
}

function faultOf(
  error: unknown,
  hook: string,
): { code: ServingErrorCode; message: string; cause?: string } {
  const status: unknown = error instanceof Error && "status" in error ? error.status : undefined;
  const code = typeof status === "number" ? clientFaults[status] : undefined;
  if (code !== undefined) return { code, message: messageOf(error) };
  const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: "failed", message: `the handler's ${hook} failed`, cause };
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function valueOf({ bytes }: BodyOf): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    return bytes;
  }
}

function bodyOf({ body, contentType }: Replacement): BodyOf & { json: boolean } {
  if (body instanceof Uint8Array) {
    const bytes = new Uint8Array(body);
    return { bytes, json: false, contentType: contentType ?? "application/octet-stream" };
  }
  const bytes = new TextEncoder().encode(JSON.stringify(body ?? null));
  return { bytes, json: true, contentType: "application/json" };
}
