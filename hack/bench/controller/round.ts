/** One round on an API server of its own: the bare writer first, then the controller's life. */
import { KNATIVE_SERVICE } from "../../../controller/api/kinds.ts";
import type { Apiserver } from "../../../test/support/apiserver.ts";
import type { ControllerProcess } from "../../../test/support/controller.ts";
import { kube, type Kube } from "../../../test/support/kube.ts";
import { BARE_WRITER, Calls, CONTROLLER, isWrite, type Call } from "./apiserver.ts";
import { editOneByOne, editOneByOneBare, type Latency } from "./edits.ts";
import {
  annotate,
  applyOne,
  BARE,
  forAll,
  install,
  nameOf,
  OURS,
  writeService,
  writeStatus,
} from "./objects.ts";
import { idleNodeMib, metric, start, syncedAtMs, usage } from "./process.ts";

const LIMIT_MS = 480_000;
const LOOK_MS = 200;

export interface Plan {
  readonly count: number;
  /** Of these, as many are edited one by one. */
  readonly edits: number;
  /** For how long the controller is watched at rest. */
  readonly restMs: number;
  /** Without a write for so long, it rests. */
  readonly quietMs: number;
}

/** Each figure of a round by its name; what the bare writer has no part in is NaN there. */
export interface Round {
  readonly controller: Readonly<Record<Figure, number>>;
  readonly baseline: Readonly<Partial<Record<Figure, number>>>;
}

export type Figure = (typeof FIGURES)[number];
export const FIGURES = [
  "settledPerSecond",
  "settledSeconds",
  "readsPerService",
  "serviceAppliesPerService",
  "statusAppliesPerService",
  "eventsPerService",
  "writesPerService",
  "cpuSecondsToSettle",
  "writesAtRest",
  "editToAppliedP50Ms",
  "editToAppliedP99Ms",
  "editsOfAllPerSecond",
  "writesAfterForeignAnnotations",
  "restartToSyncedSeconds",
  "writesAfterRestart",
  "rssMib",
  "rssAfterEditsMib",
  "rssPeakMib",
  "rssPeakAfterRestartMib",
  "cpuSecondsInAll",
] as const;

export async function measureRound(apiserver: Apiserver, plan: Plan): Promise<Round> {
  const masters = ["system:masters"];
  const client = kube(apiserver.kubeconfig);
  const writer = kube(await apiserver.userKubeconfig(BARE_WRITER, masters));
  const kubeconfig = await apiserver.userKubeconfig(CONTROLLER, masters);
  try {
    await install(client);
    const baseline = await measureBare(writer, client, plan);
    const calls = new Calls(apiserver.auditLog);
    return { controller: await measureOurs({ client, kubeconfig, calls, plan }), baseline };
  } finally {
    await Promise.all([client.close(), writer.close()]);
  }
}

async function measureBare(writer: Kube, client: Kube, plan: Plan): Promise<Round["baseline"]> {
  const { count, edits } = plan;
  await forAll(count, (index) => applyOne(client, BARE, nameOf(index), 0));
  const before = process.cpuUsage();
  const settledSeconds = await seconds(() =>
    forAll(count, async (index) => {
      await writeService(writer, nameOf(index), 0);
      await writeStatus(writer, nameOf(index), 1);
    }),
  );
  const { user, system } = process.cpuUsage(before);
  const { p50Ms, p99Ms } = await editOneByOneBare(writer, client, edits);
  const editSeconds = await seconds(() =>
    forAll(count, async (index) => {
      await applyOne(client, BARE, nameOf(index), 1);
      await writeService(writer, nameOf(index), 1);
      await writeStatus(writer, nameOf(index), 2);
    }),
  );
  return {
    settledPerSecond: count / settledSeconds,
    settledSeconds,
    readsPerService: 0,
    serviceAppliesPerService: 1,
    statusAppliesPerService: 1,
    writesPerService: 2,
    cpuSecondsToSettle: (user + system) / 1e6,
    editToAppliedP50Ms: p50Ms,
    editToAppliedP99Ms: p99Ms,
    editsOfAllPerSecond: count / editSeconds,
    rssMib: await idleNodeMib(),
  };
}

interface Ours {
  readonly client: Kube;
  readonly kubeconfig: string;
  readonly calls: Calls;
  readonly plan: Plan;
}

async function measureOurs(ours: Ours): Promise<Round["controller"]> {
  const { client, kubeconfig, calls, plan } = ours;
  const { count, edits, restMs, quietMs } = plan;
  await forAll(count, (index) => applyOne(client, OURS, nameOf(index), 0));
  const startedMs = Date.now();
  const first = await start(kubeconfig, OURS);
  try {
    const settledSeconds = ((await writtenAtMs(ours, first, 0)) - startedMs) / 1000;
    await quiet(calls, quietMs);
    const settling = await calls.read();
    const settled = await usage(first.pid);
    const writesAtRest = await writesWithin(calls, () => delay(restMs));
    const atRest = await usage(first.pid);
    const latency = await editOneByOne(client, edits);
    await quiet(calls, quietMs);
    const editsOfAllPerSecond = await editAll(ours, first);
    await quiet(calls, quietMs);
    const writesAfterForeignAnnotations = await writesWithin(calls, () => annotateAll(ours, first));
    const end = await usage(first.pid);
    await first.end("SIGKILL");
    return {
      ...perService(settling, count),
      settledSeconds,
      settledPerSecond: count / settledSeconds,
      cpuSecondsToSettle: settled.cpuSeconds,
      writesAtRest,
      ...named(latency),
      editsOfAllPerSecond,
      writesAfterForeignAnnotations,
      ...(await restart(ours)),
      rssMib: atRest.rssMib,
      rssAfterEditsMib: end.rssMib,
      rssPeakMib: end.peakMib,
      cpuSecondsInAll: end.cpuSeconds,
    };
  } finally {
    await first.end("SIGKILL");
  }
}

function named({ p50Ms, p99Ms }: Latency): { [K in `editToApplied${"P50" | "P99"}Ms`]: number } {
  return { editToAppliedP50Ms: p50Ms, editToAppliedP99Ms: p99Ms };
}

/** What each InferenceService costs in calls until it is settled. */
function perService(
  calls: readonly Call[],
  count: number,
): Pick<
  Round["controller"],
  | "readsPerService"
  | "serviceAppliesPerService"
  | "statusAppliesPerService"
  | "eventsPerService"
  | "writesPerService"
> {
  const of = (which: (call: Call) => boolean): number => calls.filter(which).length / count;
  const accepted = calls.filter(isWrite);
  return {
    readsPerService: of(({ verb }) => verb === "get"),
    serviceAppliesPerService: of((call) => isServiceWrite(call)),
    statusAppliesPerService: of((call) => isStatusWrite(call)),
    eventsPerService: of(({ resource, verb }) => resource === "events" && verb === "create"),
    writesPerService: accepted.length / count,
  };
}

function isServiceWrite(call: Call): boolean {
  return isWrite(call) && call.resource === KNATIVE_SERVICE.plural;
}

function isStatusWrite(call: Call): boolean {
  return isWrite(call) && call.subresource === "status";
}

/**
 * Waits until every Knative Service and every status was written after the first `skip` calls;
 * gives the moment of the last one's answer, wall clock.
 */
async function writtenAtMs(
  { calls, plan: { count } }: Ours,
  controller: ControllerProcess,
  skip: number,
): Promise<number> {
  const limit = performance.now() + LIMIT_MS;
  for (;;) {
    const fresh = (await calls.read()).slice(skip);
    const writes = [isServiceWrite, isStatusWrite].map((is) => firsts(fresh.filter(is)));
    if (writes.every((each) => each.length >= count)) {
      return Math.max(...writes.flat().map(({ answeredAt }) => Date.parse(answeredAt)));
    }
    if (performance.now() > limit) {
      const [services = [], statuses = []] = writes;
      const log = controller.log.slice(-5).join("\n");
      throw new Error(
        `${services.length} services and ${statuses.length} statuses of ${count} are written:\n${log}`,
      );
    }
    await delay(LOOK_MS);
  }
}

/** The first call of each object. */
function firsts(calls: readonly Call[]): readonly Call[] {
  return [...new Map(calls.toReversed().map((call) => [call.name, call])).values()];
}

/** Edits all at once; gives how many a second are edited, applied and told of in the status. */
async function editAll(ours: Ours, controller: ControllerProcess): Promise<number> {
  const { client, calls, plan } = ours;
  const skip = (await calls.read()).length;
  const startedMs = Date.now();
  await forAll(plan.count, (index) => applyOne(client, OURS, nameOf(index), 1));
  const doneMs = await writtenAtMs(ours, controller, skip);
  return (plan.count / (doneMs - startedMs)) * 1000;
}

/** Annotates all, and comes back when the controller has looked at each and rests. */
async function annotateAll(ours: Ours, controller: ControllerProcess): Promise<void> {
  const { client, calls, plan } = ours;
  const before = await metric(controller, "controller_runtime_reconcile_total");
  await forAll(plan.count, (index) => annotate(client, OURS, nameOf(index)));
  await reconciled(controller, before + plan.count);
  await quiet(calls, plan.quietMs);
}

type OfRestart = "restartToSyncedSeconds" | "writesAfterRestart" | "rssPeakAfterRestartMib";

async function restart({
  kubeconfig,
  calls,
  plan,
}: Ours): Promise<Pick<Round["controller"], OfRestart>> {
  const startedMs = Date.now();
  const second = await start(kubeconfig, OURS);
  try {
    const writesAfterRestart = await writesWithin(calls, async () => {
      await reconciled(second, plan.count);
      await quiet(calls, plan.quietMs);
    });
    const syncedMs = syncedAtMs(second) ?? Number.NaN;
    return {
      restartToSyncedSeconds: (syncedMs - startedMs) / 1000,
      writesAfterRestart,
      rssPeakAfterRestartMib: (await usage(second.pid)).peakMib,
    };
  } finally {
    await second.end("SIGKILL");
  }
}

/** Waits until so many reconciles have ended since the start, and no key waits. */
async function reconciled(controller: ControllerProcess, total: number): Promise<void> {
  const limit = performance.now() + LIMIT_MS;
  for (;;) {
    const [done, waiting] = await Promise.all([
      metric(controller, "controller_runtime_reconcile_total"),
      metric(controller, "workqueue_depth"),
    ]);
    if (done >= total && waiting === 0) return;
    if (performance.now() > limit) {
      throw new Error(`${done} of ${total} reconciles, and ${waiting} keys wait`);
    }
    await delay(LOOK_MS);
  }
}

async function quiet(calls: Calls, quietMs: number): Promise<void> {
  let seen = (await calls.writes()).length;
  for (let since = performance.now(); performance.now() - since < quietMs;) {
    await delay(LOOK_MS);
    const now = (await calls.writes()).length;
    if (now !== seen) since = performance.now();
    seen = now;
  }
}

async function writesWithin(calls: Calls, work: () => Promise<void>): Promise<number> {
  const before = (await calls.writes()).length;
  await work();
  return (await calls.writes()).length - before;
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

async function delay(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
