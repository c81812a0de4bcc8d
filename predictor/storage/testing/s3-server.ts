import { spawn, spawnSync } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";

import { freePort } from "../../../hack/free-port.ts";
import { ensureBinary } from "../../../hack/go/build.ts";

/** A real S3 server over a folder: versitygw. Every folder in `root` is a bucket. */
export interface S3Server extends AsyncDisposable {
  /** Endpoint and keys, as the predictor reads them from its environment. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Whether the server can be had: it is built with Go. */
export function canServeS3(): boolean {
  return spawnSync("go", ["version"], { stdio: "ignore" }).status === 0;
}

/** Starts the server on a free port of the loopback interface; resolves once it answers. */
export async function startS3Server(root: string): Promise<S3Server> {
  const binary = await ensureBinary("versitygw");
  const keys = { id: "AKIDEXAMPLE", secret: "a secret / with + characters" };
  const data = join(root, "data");
  await mkdir(data, { recursive: true });
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const server = spawn(binary, ["--port", address, "posix", data], {
    cwd: root,
    env: { ROOT_ACCESS_KEY: keys.id, ROOT_SECRET_KEY: keys.secret },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const stop = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, "exit");
    server.kill("SIGKILL");
    await exited;
  };
  await listening(server);
  return {
    environment: {
      AWS_ENDPOINT_URL_S3: `http://${address}`,
      AWS_ACCESS_KEY_ID: keys.id,
      AWS_SECRET_ACCESS_KEY: keys.secret,
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** The server prints its address once it listens. Its output is read on, or it would block. */
function listening(server: ChildProcessByStdio<null, Readable, Readable>): Promise<void> {
  let said = "";
  return new Promise((resolve, reject) => {
    const hear = (chunk: Buffer): void => {
      said = (said + String(chunk)).slice(-4000);
      if (said.includes("listening on")) resolve();
    };
    server.stdout.on("data", hear);
    server.stderr.on("data", hear);
    server.on("error", reject);
    server.on("exit", () => reject(new Error(`versitygw ended: ${said}`)));
  });
}
