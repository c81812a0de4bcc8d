/**
 * The process that holds sessions: one run at a time, frames on file descriptor 3.
 * It keeps nothing that matters, so that it can be killed at any time; that is its purpose.
 */
import { Worker } from "node:worker_threads";
import { messageOf } from "../errors.ts";
import { BlockingWire } from "./blocking-wire.ts";
import type { Frame } from "./frames.ts";
import { GiveWay } from "./give-way.ts";
import type { LoadedModel, LoadOptions, Message } from "./messages.ts";
import { probe } from "./probe.ts";
import type { Probe } from "./probe.ts";
import { openPlaced } from "./provider.ts";
import { cpu } from "./session-options.ts";
import { importRuntime } from "./session.ts";
import type { Session } from "./session.ts";

type Runtime = Awaited<ReturnType<typeof importRuntime>>;

/**
 * Serves the parent until it closes the socket; then ends the process. Sessions run on the first of
 * onnxruntime's execution providers that works.
 */
export async function runChild(providers: readonly string[] = [cpu]): Promise<void> {
  // A terminal's Ctrl-C and a container's stop signal reach the whole group; the parent drains first.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  const wire = new BlockingWire(3);
  const runtime = importRuntime();
  // No event loop turns while the wire waits: what is under way must end before. A failure is told
  // to who asks for a load.
  await runtime.catch(() => {});
  const state = {
    sessions: new Map<number, Session>(),
    runtime,
    providers,
    giveWay: new GiveWay(),
  };
  try {
    for (let frame = wire.read(); frame !== undefined; frame = wire.read()) {
      const answered = await answer(frame, state);
      if (answered !== undefined) wire.write(answered);
    }
  } catch (error) {
    // The parent is gone, in the middle of a frame.
    if (!(error instanceof Error && "syscall" in error)) throw error;
  }
  process.exit(0);
}

type State = {
  readonly sessions: Map<number, Session>;
  readonly runtime: Promise<Runtime>;
  readonly providers: readonly string[];
  readonly giveWay: GiveWay;
};

async function answer({ message, tensors }: Frame, state: State): Promise<Frame | undefined> {
  const { sessions } = state;
  if (message.type === "run") {
    const session = sessions.get(message.session);
    if (session === undefined) return undefined;
    const ran = await run(session, message, tensors);
    if (ran.message.type === "ran") state.giveWay.ran(ran.message.ms);
    return ran;
  }
  if (message.type === "load") return load(message, state);
  if (message.type === "unload" || message.type === "measure") {
    if (message.type === "unload") await unload(sessions, message.session);
    const rssBytes = process.memoryUsage.rss();
    return { message: { type: "measured", id: message.id, rssBytes }, tensors: [] };
  }
  return undefined;
}

async function load(
  options: Extract<Message, { type: "load" }>,
  { runtime, sessions, providers }: State,
): Promise<Frame> {
  const { id } = options;
  try {
    const started = performance.now();
    const opened = await open(await runtime, options, providers);
    const model = { ...opened.model, loadMs: performance.now() - started };
    sessions.set(options.session, opened.session);
    watchParent();
    return { message: { type: "loaded", id, model }, tensors: [] };
  } catch (error) {
    return { message: { type: "load-failed", id, reason: messageOf(error) }, tensors: [] };
  }
}

async function unload(sessions: Map<number, Session>, number: number): Promise<void> {
  const session = sessions.get(number);
  sessions.delete(number);
  await session?.release();
}

type Opened = { session: Session; model: Omit<LoadedModel, "loadMs"> };

/**
 * Some optimisations make a graph that loads and then can't run. So when the first run fails, the
 * model is tried once more with the careful ones; when it still fails, the made-up input was the
 * reason.
 */
async function open(
  runtime: Runtime,
  options: LoadOptions,
  providers: readonly string[],
): Promise<Opened> {
  const { path, threads, spinning = false, optimization = "all" } = options;
  const placed = await openPlaced(runtime, { path, threads, spinning, optimization }, providers);
  const { session, provider } = placed;
  const left = session.skipped.map((name) => `output ${name} is no tensor and is left out`);
  const notes = [...placed.notes, ...left];
  const opened = (by: Session, { batchable, padding }: Probe, note: string[]): Opened => ({
    session: by,
    model: {
      signature: by.signature,
      batchable,
      padding,
      provider,
      optimization: by === session ? optimization : "basic",
      notes: [...notes, ...note],
    },
  });
  const cold = { warm: false, batchable: false, padding: false };
  if (!options.warmUp) return opened(session, cold, ["the model was not tried before serving"]);
  const first = await probe(session);
  if (first.warm) return opened(session, first, []);
  const cautious = { path, threads, spinning, optimization: "basic" } as const;
  const { session: careful } = await openPlaced(runtime, cautious, [provider]);
  const second = await probe(careful);
  if (second.warm) {
    await session.release();
    return opened(careful, second, ["runs with basic graph optimisations only"]);
  }
  await careful.release();
  return opened(session, cold, [`a trial run with made-up input failed: ${first.failure ?? ""}`]);
}

async function run(
  session: Session,
  message: Extract<Message, { type: "run" }>,
  inputs: Frame["tensors"],
): Promise<Frame> {
  const started = performance.now();
  try {
    const tensors = await session.run(inputs, message.outputs);
    return { message: { type: "ran", id: message.id, ms: performance.now() - started }, tensors };
  } catch (error) {
    const reason = messageOf(error);
    return { message: { type: "run-failed", id: message.id, reason }, tensors: [] };
  }
}

let watching = false;

/**
 * While a run blocks this thread, the end of the socket goes unseen. A second thread notices that
 * the parent changed, and ends the process; nothing gentler than SIGKILL ends one inside run().
 */
function watchParent(): void {
  if (watching) return;
  watching = true;
  const code = `
    const { workerData } = require("node:worker_threads");
    setInterval(() => {
      if (process.ppid !== workerData) process.kill(process.pid, "SIGKILL");
    }, 1000);`;
  const resourceLimits = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 };
  new Worker(code, { eval: true, workerData: process.ppid, resourceLimits, execArgv: [] }).unref();
}
