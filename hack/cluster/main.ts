/** `node hack/cluster/main.ts up | exec -- CMD... | down | status | smoke | logs NAME` */
import { constants } from "node:os";
import { spawn } from "node:child_process";
import { createProgress } from "../go/progress.ts";
import type { Provider } from "./cluster.ts";
import { openCluster, openProvider } from "./open.ts";
import { smoke } from "./smoke.ts";
import { refuseBesideTier } from "./tier-lock.ts";

const USAGE = `usage: node hack/cluster/main.ts COMMAND
  up            starts the cluster, or finds it running
  exec -- CMD   runs CMD where the cluster's addresses can be reached, with KUBECONFIG set
  down          ends the cluster and removes everything of it
  status        says what runs
  smoke         runs a bare server from zero to zero on it, and says how long each step took
  logs NAME     follows the log of one process, for instance kubelet
`;
const EX_USAGE = 64;
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

async function main([command, ...rest]: readonly string[]): Promise<number> {
  const provider = openProvider(createProgress());
  switch (command) {
    case "up": {
      const cluster = await provider.up();
      process.stdout.write(`KUBECONFIG=${cluster.kubeconfig}\n`);
      process.stdout.write(`ingress ${cluster.ingress.host}:${cluster.ingress.port}\n`);
      return 0;
    }
    case "down":
      await refuseBesideTier();
      await provider.down();
      return 0;
    case "status":
      process.stdout.write(`${await provider.status()}\n`);
      return 0;
    case "exec":
      return exec(provider, rest[0] === "--" ? rest.slice(1) : rest);
    case "smoke": {
      const times = await smoke(await openCluster());
      process.stdout.write(`${JSON.stringify(times)}\n`);
      return 0;
    }
    case "logs":
      return logs(provider, rest[0]);
    default:
      process.stderr.write(USAGE);
      return EX_USAGE;
  }
}

async function exec(provider: Provider, words: readonly string[]): Promise<number> {
  const [command, ...args] = words;
  if (command === undefined) {
    process.stderr.write(USAGE);
    return EX_USAGE;
  }
  const cluster = await provider.find();
  if (cluster === undefined) {
    throw new Error("no cluster runs: npm run cluster:up starts one");
  }
  return exitCodeOf(cluster.spawn(command, args));
}

async function logs(provider: Provider, name: string | undefined): Promise<number> {
  const path = name === undefined ? undefined : provider.logPath(name);
  if (path === undefined) {
    process.stderr.write(USAGE);
    return EX_USAGE;
  }
  return exitCodeOf(spawn("tail", ["-n", "100", "-F", path], { stdio: "inherit" }));
}

/** Passes signals on and ends as the command does: 128 and its number for one ended by signal. */
async function exitCodeOf(child: ReturnType<typeof spawn>): Promise<number> {
  const forward = FORWARDED.map((signal) => ({ signal, pass: () => void child.kill(signal) }));
  for (const { signal, pass } of forward) {
    process.on(signal, pass);
  }
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) =>
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
      );
    });
  } finally {
    for (const { signal, pass } of forward) {
      process.off(signal, pass);
    }
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
