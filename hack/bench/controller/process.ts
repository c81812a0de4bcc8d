/** The controller's process as the image runs it, and what it uses. */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { startController, type ControllerProcess } from "../../../test/support/controller.ts";
import { bundleProgram } from "../../bundle/bundle.ts";
import { nodeArguments, programOf } from "../../bundle/programs.ts";

const folder = join(import.meta.dirname, "../../../dist");
const PROGRAM = "controller.cjs";

/** Bundles it anew: dist/controller.cjs is of these sources. */
export async function build(): Promise<void> {
  await bundleProgram(PROGRAM);
}

/** Starts dist/controller.cjs with the arguments and environment that the image has. */
export async function start(kubeconfig: string, namespace: string): Promise<ControllerProcess> {
  const { environment } = programOf(PROGRAM);
  const settings = { LOG_LEVEL: "info", NODE_ENV: "production", WATCH_NAMESPACES: namespace };
  const env = { ...environment, ...settings };
  return startController(kubeconfig, env, nodeArguments(PROGRAM, folder));
}

/** When it logged that its caches are synced, wall clock; undefined before. */
export function syncedAtMs({ log }: ControllerProcess): number | undefined {
  const line = log.find((each) => each.includes("the caches are synced"));
  const at = line === undefined ? undefined : /"ts":"([^"]+)"/.exec(line)?.[1];
  return at === undefined ? undefined : Date.parse(at);
}

export interface Usage {
  readonly rssMib: number;
  /** The most that it ever was. */
  readonly peakMib: number;
  /** Since its start. */
  readonly cpuSeconds: number;
}

export async function usage(pid: number): Promise<Usage> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const stat = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1]?.split(" ") ?? [];
  const mib = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / 1024;
  const cpuSeconds = (Number(stat[11]) + Number(stat[12])) / 100;
  return { rssMib: mib("VmRSS"), peakMib: mib("VmHWM"), cpuSeconds };
}

/** The resident memory of a Node that does nothing: nothing in Node can have less. */
export async function idleNodeMib(): Promise<number> {
  const child = spawn(process.execPath, ["-e", "process.stdin.resume();console.log('up')"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
  const { rssMib } = await usage(child.pid ?? 0);
  child.stdin.end();
  await ended;
  return rssMib;
}

/** The sum of a metric's series whose labels contain `labels`. */
export async function metric(
  { opsUrl }: ControllerProcess,
  name: string,
  labels = "",
): Promise<number> {
  const text = await (await fetch(`${opsUrl}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) && line.includes(labels))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}
