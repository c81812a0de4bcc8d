/** What the predictor takes: memory at rest, and the image. */
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { startOurs } from "./contestants.ts";
import { iris } from "./workloads.ts";

export type Footprint = {
  /** Proportional: memory that the two processes share counts once. */
  readonly restPssMb: number;
  readonly restRssMb: number;
  /** Unpacked, if it was built here. */
  readonly imageMb?: number;
};

/** How long it rests before it is measured. */
const restMs = 3000;

/** Memory of the predictor and its executor with iris, at rest; and the size of the last image. */
export async function footprint(): Promise<Footprint> {
  await using server = await startOurs(iris());
  await delay(restMs);
  const pids = [server.pid, ...childrenOf(server.pid)];
  const sum = (field: string): number =>
    pids.reduce((total, pid) => total + memoryOf(pid, field), 0) / 1000;
  const memory = { restPssMb: sum("Pss"), restRssMb: sum("Rss") };
  const imageMb = imageSize();
  return imageMb === undefined ? memory : { ...memory, imageMb };
}

function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return children.split(" ").filter(Boolean).map(Number);
}

/** In kilobytes. */
function memoryOf(pid: number, field: string): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1]) * 1.024;
}

/** In megabytes; the archive isn't compressed. */
function imageSize(): number | undefined {
  const list = new URL("../../../build/images/images.json", import.meta.url);
  if (!existsSync(list)) return undefined;
  const images = JSON.parse(readFileSync(list, "utf8")) as { predictor?: { bytes?: number } };
  const bytes = images.predictor?.bytes;
  return bytes === undefined ? undefined : bytes / 1e6;
}
