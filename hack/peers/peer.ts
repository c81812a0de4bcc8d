/**
 * Other inference servers, started with a model on free ports here: what ours is measured against
 * and checked against. Each runs the same onnxruntime as ours, set up the same.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../free-port.ts";
import { runCommand } from "../go/command.ts";
import { ensureVenv } from "../python/venv.ts";

export const PEERS = ["mlserver", "kserve", "bentoml"] as const;
export type PeerName = (typeof PEERS)[number];

export interface PeerOptions {
  /** The .onnx file. */
  readonly modelPath: string;
  readonly modelName: string;
  /** Threads of the session; 1 unless told. */
  readonly threads?: number;
  /** Processes that hold a session; 1 unless told. */
  readonly workers?: number;
  /** Run on the server's own loop: faster for models that take microseconds. */
  readonly inline?: boolean;
}

/** A server that answers. */
export interface Peer extends AsyncDisposable {
  readonly name: PeerName;
  /** The version of the package that serves. */
  readonly version: string;
  readonly url: string;
  /** Its leader: the processes below it are its own. */
  readonly pid: number;
  /** The port of its GRPCInferenceService, if it has one. */
  readonly grpcPort?: number;
  readonly stop: () => Promise<void>;
}

const START_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 100;
const HERE = import.meta.dirname;

interface Ports {
  readonly http: number;
  readonly grpc: number;
  readonly metrics: number;
}

interface Launch {
  /** After the environment's Python. */
  readonly args: (ports: Ports, options: PeerOptions) => readonly string[];
  /** Files it wants in its working folder. */
  readonly files?: (ports: Ports, options: PeerOptions) => Readonly<Record<string, string>>;
  readonly grpc: boolean;
  /** Answers 200 once the model serves. */
  readonly ready: (modelName: string) => string;
}

const readyPath = (name: string): string => `/v2/models/${encodeURIComponent(name)}/ready`;

const LAUNCHES: Readonly<Record<PeerName, Launch>> = {
  mlserver: {
    args: () => ["-c", "from mlserver.cli import main; main()", "start", "."],
    files: mlserverFiles,
    grpc: true,
    ready: readyPath,
  },
  kserve: {
    args: ({ http, grpc }, { workers = 1 }) => [
      join(HERE, "kserve_server.py"),
      `--http_port=${http}`,
      `--grpc_port=${grpc}`,
      `--workers=${workers}`,
      // Its gRPC server and several workers do not go together.
      `--enable_grpc=${workers === 1}`,
    ],
    grpc: true,
    ready: readyPath,
  },
  bentoml: {
    args: ({ http }) => [
      "-m",
      "bentoml",
      "serve",
      "bentoml_service:Peer",
      `--port=${http}`,
      "--host=127.0.0.1",
      `--working-dir=${HERE}`,
    ],
    grpc: false,
    ready: () => "/readyz",
  },
};

function mlserverFiles(ports: Ports, options: PeerOptions): Record<string, string> {
  const { workers = 1, modelName } = options;
  const settings = {
    debug: false,
    host: "127.0.0.1",
    http_port: ports.http,
    grpc_port: ports.grpc,
    metrics_port: ports.metrics,
    // 0 is in the server's own process: with one worker that is faster.
    parallel_workers: workers === 1 ? 0 : workers,
    gzip_enabled: false,
    metrics_dir: ".metrics",
    environments_dir: ".envs",
  };
  const model = { name: modelName, implementation: "mlserver_runtime.OnnxModel", parameters: {} };
  return {
    "settings.json": JSON.stringify(settings),
    "model/model-settings.json": JSON.stringify(model),
  };
}

/** Starts a server and waits until it serves the model. Rejects with what it said, if it ends. */
export async function startPeer(name: PeerName, options: PeerOptions): Promise<Peer> {
  const launch = LAUNCHES[name];
  const python = await ensureVenv({ name });
  const ports = { http: await freePort(), grpc: await freePort(), metrics: await freePort() };
  const folder = await mkdtemp(join(tmpdir(), `pilotlight-${name}-`));
  for (const [path, text] of Object.entries(launch.files?.(ports, options) ?? {})) {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  const child = spawn(python, [...launch.args(ports, options)], {
    cwd: folder,
    // A group of its own: its workers end with it.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: environmentOf(folder, options),
  });
  let said = "";
  const hear = (chunk: Buffer): void => void (said = (said + chunk.toString()).slice(-4000));
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  const stop = async (): Promise<void> => {
    await endGroup(child);
    await rm(folder, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${ports.http}`;
  try {
    await untilReady(url + launch.ready(options.modelName), child);
    const version = await versionOf(python, name);
    const peer = { name, version, url, pid: child.pid ?? 0, stop, [Symbol.asyncDispose]: stop };
    return launch.grpc ? { ...peer, grpcPort: ports.grpc } : peer;
  } catch (error) {
    await stop();
    throw new Error(`${name} did not start: ${said}`, { cause: error });
  }
}

function environmentOf(folder: string, options: PeerOptions): NodeJS.ProcessEnv {
  const { modelPath, modelName, threads = 1, workers = 1, inline = false } = options;
  return {
    PATH: process.env["PATH"],
    // BentoML and Python's caches write there.
    HOME: folder,
    BENTOML_HOME: join(folder, ".bentoml"),
    BENTOML_DO_NOT_TRACK: "True",
    PYTHONPATH: HERE,
    PYTHONDONTWRITEBYTECODE: "1",
    PEER_MODEL_PATH: modelPath,
    PEER_MODEL_NAME: modelName,
    PEER_THREADS: String(threads),
    PEER_WORKERS: String(workers),
    PEER_INLINE: String(inline),
  };
}

async function untilReady(url: string, child: ChildProcess): Promise<void> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("it ended");
    const ready = await fetch(url, { signal: AbortSignal.timeout(5000) }).then(
      async (response) => {
        await response.arrayBuffer();
        return response.ok;
      },
      () => false,
    );
    if (ready) return;
    await delay(POLL_MS);
  }
  throw new Error(`it was not ready within ${START_TIMEOUT_MS / 1000} s`);
}

async function versionOf(python: string, name: PeerName): Promise<string> {
  const code = `import importlib.metadata as m; print(m.version("${name}"))`;
  return (await runCommand(python, ["-c", code])).stdout.trim();
}

async function endGroup(child: ChildProcess): Promise<void> {
  const { pid } = child;
  if (pid === undefined) return;
  const ended =
    child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
  signalGroup(pid, "SIGTERM");
  if (ended !== undefined) await Promise.race([ended, delay(STOP_TIMEOUT_MS, 0, { ref: false })]);
  signalGroup(pid, "SIGKILL");
  await ended;
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody of it is left.
  }
}
