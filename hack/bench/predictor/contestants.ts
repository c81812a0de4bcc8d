/** Who is measured: our predictor, a naive server, other servers, and onnxruntime alone. */
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { stop } from "esbuild";
import { usableCpus } from "../../../predictor/ops/cpus.ts";
import { bundleProgram } from "../../bundle/bundle.ts";
import { nodeArguments, programOf } from "../../bundle/programs.ts";
import { startPeer } from "../../peers/peer.ts";
import type { PeerName } from "../../peers/peer.ts";
import { applyLoad, probeHealth } from "./load.ts";
import type { Load } from "./load.ts";
import type { RawOptions, RawOrder } from "./raw-server.ts";
import type { Sample } from "./samples.ts";
import { startServer } from "./server.ts";
import type { RunningServer } from "./server.ts";
import type { Workload } from "./workloads.ts";

export type Contestant = AsyncDisposable & {
  readonly name: string;
  /** The process, for its memory. */
  readonly pid: number;
  /** Answers one connection for so long, by requests that take little; how many those were. */
  answer(ms: number): Promise<number>;
  measure(connections: number, ms: number): Promise<Sample>;
};

/**
 * A running server as a contestant. Of ours, health is asked for too, under a second load as the
 * first: onnxruntime alone answers no probes, and each of ours takes a CPU from the model.
 */
export function served(name: string, server: RunningServer, workload: Workload): Contestant {
  const { bodies, headers = {}, quickBodies = bodies } = workload;
  const path = `/v2/models/${workload.name}/infer`;
  const target = { port: server.port, path, bodies, headers };
  // With iris, the load generator asks more often than the CPUs can answer.
  const probed = name === "ours" && workload.name !== "iris";
  return {
    name,
    pid: server.pid,
    answer: async (ms) => {
      const quick = { ...target, bodies: quickBodies, connections: 1, ms };
      return (await applyLoad(server, quick)).latencies.length;
    },
    measure: async (connections, ms) => {
      const sample = await applyLoad(server, { ...target, connections, ms });
      if (!probed) return sample;
      const health = await healthUnder(server, { ...target, connections, ms: ms / 2 });
      return { ...sample, ...health, failures: sample.failures + health.failures };
    },
    [Symbol.asyncDispose]: async () => server[Symbol.asyncDispose](),
  };
}

/** The health of a server under a load that gives way to it, and the failures of both. */
async function healthUnder(server: RunningServer, load: Load): ReturnType<typeof probeHealth> {
  const [loaded, health] = await Promise.all([
    applyLoad(server, { ...load, background: true }),
    probeHealth(server, load.ms),
  ]);
  return { ...health, failures: loaded.failures + health.failures };
}

const output = "predictor.cjs";
let bundled: Promise<string> | undefined;

/**
 * The predictor with more in its environment. It is one file, as the image runs it: how that is
 * made changes what a request costs (docs/decisions/0018), and from its sources Node's stripper of
 * types would be in its memory.
 */
export async function startOurs(
  workload: Pick<Workload, "name" | "path">,
  environment: Readonly<Record<string, string>> = {},
): Promise<RunningServer> {
  const { name, path } = workload;
  const flags = ["--port=0", "--host=127.0.0.1", `--model-name=${name}`, `--storage-uri=${path}`];
  bundled ??= bundleOurs();
  const program = nodeArguments(output, await bundled);
  const child = spawn(process.execPath, [...program, ...flags], {
    stdio: ["pipe", "pipe", "inherit"],
    // However the benchmark ends, the predictor ends with it.
    env: {
      PATH: process.env["PATH"],
      PARENT_LIVENESS: "stdin",
      ...programOf(output).environment,
      ...environment,
    },
  });
  const ended = once(child, "exit");
  for await (const line of createInterface(child.stdout)) {
    const { message, port } = JSON.parse(line) as { message: string; port?: number };
    if (message !== "serving" || port === undefined) continue;
    child.stdout.resume();
    return {
      port,
      pid: child.pid ?? 0,
      [Symbol.asyncDispose]: async () => {
        child.kill("SIGTERM");
        await ended;
      },
    };
  }
  throw new Error("the predictor ended before it served");
}

/** Returns the folder. esbuild's own process would wake now and then, on the measured CPUs. */
async function bundleOurs(): Promise<string> {
  const folder = await bundleProgram(output);
  await stop();
  return folder;
}

/** Our predictor as a contestant. */
export async function ours(
  workload: Workload,
  environment: Readonly<Record<string, string>> = {},
): Promise<Contestant> {
  return served("ours", await startOurs(workload, environment), workload);
}

/** Express with the session in its thread, on the same Node. */
export async function naive(workload: Workload): Promise<Contestant> {
  const { path } = workload;
  const server = await startServer("naive-server.ts", { path, threads: usableCpus() });
  return served("naive", server, workload);
}

/** Another server, tuned for a model that takes microseconds. */
export async function peer(name: PeerName, workload: Workload): Promise<Contestant> {
  const { name: modelName, path: modelPath } = workload;
  const started = await startPeer(name, { modelName, modelPath, inline: true });
  const server = {
    port: Number(new URL(started.url).port),
    pid: started.pid,
    [Symbol.asyncDispose]: async () => started.stop(),
  };
  return served(`${name} ${started.version}`, server, workload);
}

/**
 * onnxruntime without a server. Beside it, once more, a server that only reads the same requests,
 * as many a second, is asked for its health: what the machine leaves to any server of Node while
 * each CPU runs a model.
 */
export async function raw(workload: Workload): Promise<Contestant> {
  const { bodies, headers = {} } = workload;
  const bare = await startServer("bare-server.ts", {});
  const options: RawOptions = { workload: workload.name, threads: usableCpus() };
  const program = fileURLToPath(new URL("raw-server.ts", import.meta.url));
  const child = fork(program, [JSON.stringify(options)], {
    stdio: "inherit",
    serialization: "advanced",
  });
  const ended = once(child, "exit");
  await once(child, "message");
  const run = async (order: RawOrder): Promise<Sample> => {
    child.send(order);
    const [sample] = await once(child, "message");
    return sample as Sample;
  };
  return {
    name: "raw",
    pid: child.pid ?? 0,
    answer: async (ms) => (await run({ ms, callers: 1, quick: true })).latencies.length,
    measure: async (connections, ms) => {
      const sample = await run({ ms, callers: connections });
      const afterMs = Math.ceil((connections * sample.elapsedMs) / sample.latencies.length);
      const path = `/after/${afterMs}`;
      const load = { port: bare.port, path, bodies, headers, connections, ms: ms / 2 };
      const again = run({ ms: ms / 2, callers: connections });
      const [health] = await Promise.all([healthUnder(bare, load), again]);
      return { ...sample, ...health, failures: sample.failures + health.failures };
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await Promise.all([ended, bare[Symbol.asyncDispose]()]);
    },
  };
}
