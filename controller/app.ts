/** Puts the controller together: clients, caches, queue, lease, endpoints. Decides nothing. */
import { randomUUID } from "node:crypto";
import type { KubeConfig } from "@kubernetes/client-node";
import type { Logger } from "pino";
import { NODE } from "./api/kinds.ts";
import { inferenceServiceKinds } from "./api/kserve.ts";
import { type Config, ConfigError } from "./config.ts";
import type { Node } from "./desired/nodes.ts";
import { systemClock } from "./kube/clock.ts";
import { createCluster, type KubeCluster } from "./kube/cluster.ts";
import { credentialsOf } from "./kube/credentials.ts";
import { createHttp, type KubeHttp } from "./kube/http.ts";
import { createElector, type Elector } from "./kube/lease.ts";
import { type Ended, runController } from "./kube/manager.ts";
import { WorkQueue } from "./kube/queue.ts";
import type { Outcome as Requeue } from "./kube/workers.ts";
import type { Metrics } from "./ops/metrics.ts";
import { startOpsServer } from "./ops/server.ts";
import type { Outcome } from "./outcome.ts";
import { kserveHindrance } from "./kserve-owner.ts";
import { createModelDigests } from "./model-digests.ts";
import { reconcile, type ReconcileContext } from "./reconcile.ts";
import { createMeter } from "./rollout/metrics.ts";
import { runtimeKinds } from "./runtimes.ts";
import { reportStatus } from "./status-metrics.ts";
import { watchedKinds, watchMappings } from "./watches.ts";

export interface AppOptions {
  readonly config: Config;
  readonly kubeConfig: KubeConfig;
  readonly version: string;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface App {
  /** Where /healthz, /readyz and /metrics are. */
  readonly opsUrl: string;
  /** Drains and ends; idempotent. */
  stop(): Promise<void>;
  /** "lost" when the lease ran out: the process should end with a code other than 0. */
  readonly ended: Promise<Ended>;
}

const CONTROLLER = "inferenceservice";
const LEASE = "pilotlight-controller";

/**
 * Starts everything. Rejects when the endpoints' port cannot be had, and with ConfigError when
 * KServe's group is asked for where KServe is.
 */
export async function startApp(options: AppOptions): Promise<App> {
  const { config, log, metrics } = options;
  const client = (): KubeHttp =>
    createHttp({
      credentials: credentialsOf(options.kubeConfig),
      userAgent: `pilotlight-controller/${options.version}`,
      metrics,
    });
  const http = client();
  const hindrance = config.kserveCompatibility ? await kserveHindrance(http) : undefined;
  if (hindrance !== undefined) {
    await http.close();
    throw new ConfigError(hindrance);
  }
  // A client of its own: a stuck connection of the others must not cost the lease.
  const leaseHttp = client();
  const elector = config.leaderElection.enabled ? electorOf(options, leaseHttp) : undefined;
  const cluster = createCluster({
    http,
    kinds: watchedKinds(config),
    reportingInstance: config.leaderElection.identity,
    log,
    metrics,
    ...(elector === undefined ? {} : { fence: elector }),
  });
  reportStatus(cluster, metrics, inferenceServiceKinds(config.kserveCompatibility));
  const meter = createMeter();
  const queue = new WorkQueue({ name: CONTROLLER, metrics });
  const digests = createModelDigests({ wake: (key) => queue.add(key), nowMs: Date.now });
  metrics.observeQueue(queue);
  const ops = await startOpsServer({
    host: config.opsHost,
    port: config.opsPort,
    unready: () => unready(cluster),
    metrics,
  });
  const running = runController({
    name: CONTROLLER,
    cluster,
    queue,
    watches: watchMappings(cluster, config),
    reconcile: (key) =>
      reconcileKey(options, { cluster, meter, digests, nodes: nodesOf(cluster) }, key),
    workers: config.workers,
    log,
    metrics,
    ...(elector === undefined ? {} : { elector }),
  });
  const ended = running.ended.then(async (how) => {
    await Promise.all([
      ops.close(),
      http.close(),
      leaseHttp.close(),
      meter.close(),
      digests.close(),
    ]);
    return how;
  });
  return { opsUrl: ops.url, stop: () => running.stop().then(() => ended.then(() => {})), ended };
}

function electorOf({ config, log, metrics }: AppOptions, http: KubeHttp): Elector {
  const { namespace, identity } = config.leaderElection;
  return createElector({
    http,
    namespace,
    name: LEASE,
    // A restarted container has its pod's name: only a new word tells the two lives apart.
    identity: `${identity}_${randomUUID()}`,
    clock: systemClock,
    random: Math.random,
    log,
    metrics,
  });
}

function unready(cluster: KubeCluster): readonly string[] {
  return cluster.hasSynced()
    ? []
    : cluster
        .status()
        .filter((watched) => !watched.synced)
        .map(({ kind, trouble }) => `${kind} has not been listed yet: ${trouble ?? "be patient"}`);
}

async function reconcileKey(
  { config, log }: AppOptions,
  parts: Pick<ReconcileContext, "cluster" | "meter" | "digests" | "nodes">,
  key: string,
): Promise<Requeue> {
  const slash = key.indexOf("/");
  const [namespace, name] = [key.slice(0, slash), key.slice(slash + 1)];
  const outcome = await reconcile(
    {
      ...parts,
      defaults: config.predictor,
      runtimes: { ...config.runtimes, kinds: runtimeKinds(config) },
      kserveCompatibility: config.kserveCompatibility,
      knativeNamespace: config.knativeNamespace,
      now: () => new Date(),
    },
    namespace,
    name,
  );
  log.debug({ namespace, name, outcome }, "reconciled");
  return requeueOf(outcome);
}

/** The one place where an outcome becomes what the queue does next. */
function requeueOf(outcome: Outcome): Requeue {
  return outcome.kind === "waiting" ? { requeueAfterMs: outcome.afterMs } : {};
}

/** Undefined where they are not watched, or the controller may not see them. */
function nodesOf(cluster: KubeCluster): readonly Node[] | undefined {
  const known = cluster.status().some(({ kind, synced }) => kind === NODE.kind && synced);
  return known ? cluster.list<Node>(NODE) : undefined;
}
