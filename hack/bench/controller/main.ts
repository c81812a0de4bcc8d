/**
 * `npm run bench -- controller`: the controller with a thousand InferenceServices on a real API
 * server (no Knative runs: what is measured is the controller). The baseline of the same run is a
 * bare writer: the same number of writes to the same API server by the same HTTP client, with
 * nothing decided.
 */
import { readFile, writeFile } from "node:fs/promises";
import { arch, cpus, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { INFERENCE_SERVICE, KNATIVE_SERVICE } from "../../../controller/api/kinds.ts";
import type { KubeObject } from "../../../controller/cluster.ts";
import { startApiserver, type Apiserver } from "../../../test/support/apiserver.ts";
import { startController, type ControllerProcess } from "../../../test/support/controller.ts";
import { CRD, NAMESPACE, kube, readObjects, type Kube } from "../../../test/support/kube.ts";
import { readAudit, type AuditedWrite } from "../../cluster/audit.ts";
import { ensureModuleSource } from "../../go/build.ts";
import { SERVING_VERSION } from "../../go/modules.ts";
import { shown, summarize } from "../predictor/stats.ts";

const root = join(import.meta.dirname, "../../..");
const resultFile = join(root, "docs/results/controller.json");
/** As many as the controller has workers. */
const WORKERS = 8;
/** Without a write for so long, the controller rests; it is watched at rest for twice as long. */
const QUIET_MS = 10_000;
const LIMIT_MS = 480_000;

/** Options: --count 1000 --rounds 1. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      count: { type: "string", default: "1000" },
      rounds: { type: "string", default: "1" },
    },
  });
  const count = Number(values.count);
  const rounds: Round[] = [];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const apiserver = await startApiserver();
    try {
      rounds.push(await measure(apiserver, count));
    } finally {
      await apiserver.stop();
    }
  }
  const of = (pick: (round: Round) => number): string => shown(summarize(rounds.map(pick)));
  const result = {
    machine: `${cpus().length} × ${cpus()[0]?.model ?? "?"}, ${arch()}, Node ${process.versions.node}`,
    load: loadavg()[0]?.toFixed(2),
    count,
    rounds: rounds.length,
    bareWriterSeconds: of(({ bareMs }) => bareMs / 1000),
    fromStartToSettledSeconds: of(({ settledMs }) => settledMs / 1000),
    ratioToBareWriter: of(({ settledMs, bareMs }) => settledMs / bareMs),
    writesPerService: of(({ writes }) => writes / count),
    writesAtRest: of(({ atRest }) => atRest),
    editOfAllSeconds: of(({ editMs }) => editMs / 1000),
    restartToSyncedSeconds: of(({ restartMs }) => restartMs / 1000),
    writesAfterRestart: of(({ afterRestart }) => afterRestart),
    controllerRssMib: of(({ rssMib }) => rssMib),
    controllerCpuSeconds: of(({ cpuSeconds }) => cpuSeconds),
  };
  await writeFile(resultFile, `${JSON.stringify(result, undefined, 2)}\n`);
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
}

interface Round {
  readonly bareMs: number;
  readonly settledMs: number;
  readonly writes: number;
  readonly atRest: number;
  readonly editMs: number;
  readonly restartMs: number;
  readonly afterRestart: number;
  readonly rssMib: number;
  readonly cpuSeconds: number;
}

async function measure(apiserver: Apiserver, count: number): Promise<Round> {
  const client = kube(apiserver.kubeconfig);
  const processes: ControllerProcess[] = [];
  const start = async (): Promise<ControllerProcess> => {
    const controller = await startController(apiserver.kubeconfig, {
      LOG_LEVEL: "info",
      WATCH_NAMESPACES: "default",
    });
    processes.push(controller);
    return controller;
  };
  try {
    await install(client);
    await makeAll(client, "bare", count);
    const bareMs = await timed(() => writeBare(client, count));
    await makeAll(client, "default", count);
    const began = performance.now();
    const first = await start();
    await written(apiserver, first, count);
    const settledMs = performance.now() - began;
    const { writes, atRest } = await rest(apiserver);
    const { rssMib, cpuSeconds } = await usage(first.pid);
    const editMs = await timed(async () => {
      await makeAll(client, "default", count, 1);
      await written(apiserver, first, 2 * count);
    });
    await rest(apiserver);
    const before = (await ours(apiserver)).length;
    await first.end("SIGKILL");
    const restartMs = await timed(async () => synced(await start()));
    await rest(apiserver);
    const afterRestart = (await ours(apiserver)).length - before;
    return {
      bareMs,
      settledMs,
      writes,
      atRest,
      editMs,
      restartMs,
      afterRestart,
      rssMib,
      cpuSeconds,
    };
  } finally {
    await Promise.all(processes.map((each) => each.end("SIGKILL")));
    await client.close();
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function install(client: Kube): Promise<void> {
  const knative = await ensureModuleSource("knative.dev/serving", SERVING_VERSION);
  const files = [
    ...["inferenceservice", "servingruntime", "clusterservingruntime"].map((name) =>
      join(root, `crds/${name}.yaml`),
    ),
    ...["service", "revision"].map((name) =>
      join(knative, `config/core/300-resources/${name}.yaml`),
    ),
  ];
  for (const file of files) {
    for (const definition of await readObjects(file)) await client.apply(CRD, definition);
  }
  for (const name of ["knative-serving", "bare"]) {
    await client.apply(NAMESPACE, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  for (const kind of [INFERENCE_SERVICE, KNATIVE_SERVICE]) {
    await client.until(`${kind.plural} are served`, () => client.list(kind, "default"));
  }
}

/** Runs `work` for 0 … count - 1, as many at once as the controller would. */
async function forAll(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
}

async function makeAll(
  client: Kube,
  namespace: string,
  count: number,
  minReplicas = 0,
): Promise<void> {
  const { apiVersion, kind } = INFERENCE_SERVICE;
  const model = { modelFormat: { name: "onnx" }, storageUri: "s3://models/iris/" };
  await forAll(count, (index) =>
    client.apply(INFERENCE_SERVICE, {
      apiVersion,
      kind,
      metadata: { name: `m-${index}`, namespace },
      spec: { predictor: { minReplicas, model } },
    } as KubeObject),
  );
}

/**
 * A Knative Service and a status for each, as the controller writes them, without deciding
 * anything.
 */
async function writeBare(client: Kube, count: number): Promise<void> {
  await forAll(count, async (index) => {
    const metadata = { name: `m-${index}`, namespace: "bare" };
    const container = { name: "kserve-container", image: "dev.local/pilotlight/predictor:test" };
    await client.apply(KNATIVE_SERVICE, {
      apiVersion: KNATIVE_SERVICE.apiVersion,
      kind: KNATIVE_SERVICE.kind,
      metadata,
      spec: { template: { spec: { containers: [container] } } },
    } as KubeObject);
    const condition = { type: "Ready", status: "Unknown", reason: "Deploying" };
    const status = { observedGeneration: 1, conditions: [condition] };
    const { apiVersion, kind } = INFERENCE_SERVICE;
    await client.apply(
      INFERENCE_SERVICE,
      { apiVersion, kind, metadata, status } as KubeObject,
      "status",
    );
  });
}

/** The controller's accepted writes in its namespace. */
async function ours({ auditLog }: Apiserver): Promise<AuditedWrite[]> {
  const writes = await readAudit(auditLog);
  return writes.filter(
    ({ userAgent, namespace, code }) =>
      namespace === "default" && code < 300 && !userAgent.startsWith("pilotlight-test"),
  );
}

/**
 * Waits until so many Knative Services were written; the controller saw "bare", too, but before.
 */
async function written(
  apiserver: Apiserver,
  controller: ControllerProcess,
  count: number,
): Promise<void> {
  const limit = performance.now() + LIMIT_MS;
  for (;;) {
    const writes = await ours(apiserver);
    const services = writes.filter(({ resource }) => resource === KNATIVE_SERVICE.plural).length;
    const statuses = writes.filter(({ subresource }) => subresource === "status").length;
    if (services >= count && statuses >= count) return;
    if (performance.now() > limit) {
      const log = controller.log.slice(-5).join("\n");
      throw new Error(
        `${services} services and ${statuses} statuses of ${count} are written:\n${log}`,
      );
    }
    await delay(200);
  }
}

/** Waits until nothing was written for a while, then counts for twice as long. */
async function rest(apiserver: Apiserver): Promise<{ writes: number; atRest: number }> {
  let writes = (await ours(apiserver)).length;
  for (let since = performance.now(); performance.now() - since < QUIET_MS;) {
    await delay(500);
    const now = (await ours(apiserver)).length;
    if (now !== writes) since = performance.now();
    writes = now;
  }
  await delay(2 * QUIET_MS);
  return { writes, atRest: (await ours(apiserver)).length - writes };
}

async function synced(controller: ControllerProcess): Promise<void> {
  for (;;) {
    const { ok } = await fetch(`${controller.opsUrl}/readyz`);
    if (ok) return;
    await delay(50);
  }
}

/** Resident memory, and processor time since its start, of a process. */
async function usage(pid: number): Promise<{ rssMib: number; cpuSeconds: number }> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const stat = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1]?.split(" ") ?? [];
  const kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  return { rssMib: kib / 1024, cpuSeconds: (Number(stat[11]) + Number(stat[12])) / 100 };
}

async function delay(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
