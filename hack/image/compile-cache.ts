/**
 * What V8 makes of the predictor's program, made once here instead of at every start: about 40 ms of
 * processor time less until a model serves.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";

import { USER, nodeBinary } from "./base-entries.ts";

/** Where the cache lies in an image. */
export const COMPILE_CACHE = "/opt/pilotlight/compile-cache";

const START_MS_MAX = 60_000;

/** With these two, V8 writes the same bytes each time; it reads them without. */
const REPRODUCIBLE = ["--predictable", "--random-seed=42"];

/** Starts the predictor of this folder on its own example, so that the cache is written into it. */
export async function addCompileCache(root: string, appFolder: string): Promise<void> {
  const cache = join(appFolder, COMPILE_CACHE);
  const installation = join(cache, "..");
  await rm(cache, { recursive: true, force: true });
  await mkdir(cache, { recursive: true });
  const program = join(installation, "predictor.cjs");
  const predictor = spawn(nodeBinary(root), [...REPRODUCIBLE, program], {
    env: {
      HOST: "127.0.0.1",
      PORT: "0",
      STORAGE_URI: join(installation, "examples/iris/model"),
      TERMINATION_LOG: "/dev/null",
      ...compileCacheEnvironment(cache),
    },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: START_MS_MAX,
  });
  const exited = once(predictor, "exit");
  let said = "";
  let stopping = false;
  for await (const chunk of predictor.stdout as AsyncIterable<Buffer>) {
    said += String(chunk);
    if (stopping || !said.includes('"message":"serving"')) continue;
    // Once: a second signal would end it before it has written the cache.
    stopping = predictor.kill("SIGTERM");
  }
  const [code] = (await exited) as [number | null];
  if (code !== 0) throw new Error(`the predictor did not serve its example: ${said}`);
  await nameForUser(cache);
}

/** The variables that make Node use a cache, also from another place than where it was made. */
export function compileCacheEnvironment(cache: string): Record<string, string> {
  return { NODE_COMPILE_CACHE: cache, NODE_COMPILE_CACHE_PORTABLE: "1" };
}

/** Node keeps a cache per user, whose number ends the folder's name. */
async function nameForUser(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    const renamed = name.replace(/-\d+$/, `-${USER.id}`);
    if (renamed !== name) await rename(join(cache, name), join(cache, renamed));
  }
}
