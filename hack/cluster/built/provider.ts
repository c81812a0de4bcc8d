import { join } from "node:path";
import { isAlive } from "../../go/process-id.ts";
import { withLock } from "../../go/lock.ts";
import type { Progress } from "../../go/progress.ts";
import type { Cluster, Provider } from "../cluster.ts";
import { clusterFingerprint } from "./fingerprint.ts";
import { clusterHandle } from "./handle.ts";
import { removeCluster } from "./leftovers.ts";
import { ENVOY_PORT, NODE_ADDRESS } from "./network.ts";
import { startCluster } from "./start.ts";
import { linkTools } from "./tools.ts";
import { pathsOf, readState, type Paths, type State } from "./state.ts";

/**
 * The cluster that is built from modules and runs on this machine, alone in its namespaces.
 * One for each checkout.
 */
export function builtProvider(progress: Progress, paths: Paths = pathsOf()): Provider {
  const locked = async <T>(work: () => Promise<T>): Promise<T> =>
    withLock(paths.lockFile, work, {
      onWait: ({ pid }) => progress.say(`another process (${pid}) works on this cluster: waiting`),
    });
  return {
    up: async () => locked(async () => up(paths, progress)),
    find: async () => {
      const state = await healthyState(paths);
      if (state === undefined) {
        return undefined;
      }
      // Tools may have been built since the cluster was started.
      await linkTools(paths.bin);
      return clusterHandle(paths, state);
    },
    down: async () => locked(async () => removeCluster(paths)),
    status: async () => describe(paths, await readState(paths)),
    logPath: (name) => (/^[\w.-]+$/.test(name) ? join(paths.logs, `${name}.log`) : undefined),
  };
}

async function up(paths: Paths, progress: Progress): Promise<Cluster> {
  const fingerprint = await clusterFingerprint();
  const running = await healthyState(paths);
  if (running !== undefined && running.fingerprint === fingerprint) {
    const cluster = clusterHandle(paths, running);
    if (await isServing(cluster)) {
      await linkTools(paths.bin);
      progress.say("the cluster runs already");
      return cluster;
    }
    progress.say("the cluster runs, but its node or Knative is not ready");
  }
  if ((await readState(paths)) !== undefined) {
    const why = running === undefined ? "what a dead cluster left" : "the cluster of before";
    await progress.step(`remove ${why}`, async () => removeCluster(paths));
  } else {
    await removeCluster(paths);
  }
  try {
    return clusterHandle(paths, await startCluster(paths, fingerprint, progress));
  } catch (error) {
    progress.say(`the logs are in ${paths.logs}; what did start is ended by cluster:down`);
    throw error;
  }
}

/** Whether the node is ready and Knative's deployments are, or become so within half a minute. */
async function isServing(cluster: Cluster): Promise<boolean> {
  const waits = [
    ["--for=condition=Ready", "node", "--all"],
    ["--for=condition=Available", "deployment", "--all", "--namespace=knative-serving"],
  ];
  for (const args of waits) {
    const words = ["wait", "--timeout=30s", ...args];
    const { exitCode } = await cluster.exec("kubectl", words, { tolerate: true });
    if (exitCode !== 0) {
      return false;
    }
  }
  return true;
}

/** The state of a cluster that came up and of which every process still runs. */
async function healthyState(paths: Paths): Promise<State | undefined> {
  const state = await readState(paths);
  if (state === undefined || !state.ready) {
    return undefined;
  }
  const ids = [state.guard, state.init, ...Object.values(state.processes)];
  if (!ids.every(isAlive)) {
    return undefined;
  }
  const kubectl = ["get", "--raw", "/readyz", "--request-timeout=5s"];
  const answer = await clusterHandle(paths, state).exec("kubectl", kubectl, { tolerate: true });
  return answer.exitCode === 0 ? state : undefined;
}

function describe(paths: Paths, state: State | undefined): string {
  if (state === undefined) {
    return `no cluster of this checkout runs (its folder would be ${paths.folder})`;
  }
  const processes = Object.entries(state.processes).map(
    ([name, id]) => `  ${name.padEnd(24)} ${id.pid} ${isAlive(id) ? "runs" : "ENDED"}`,
  );
  return [
    `provider  built${state.ready ? "" : " (did not come up)"}`,
    `folder    ${paths.folder}`,
    `ingress   ${NODE_ADDRESS}:${ENVOY_PORT}, in the network namespace of ${state.init.pid}`,
    "processes",
    ...processes,
  ].join("\n");
}
