/**
 * Edit to applied: one InferenceService is edited at a time, and the time counts from the answer to
 * the edit until a watch tells that its Knative Service has changed.
 */
import { INFERENCE_SERVICE, KNATIVE_SERVICE } from "../../../controller/api/kinds.ts";
import { componentServiceName } from "../../../controller/api/names.ts";
import type { Kind, KubeObject } from "../../../controller/cluster.ts";
import { jsonLines } from "../../../controller/kube/body.ts";
import { collectionPath } from "../../../controller/kube/paths.ts";
import type { Kube } from "../../../test/support/kube.ts";
import { percentile } from "../predictor/stats.ts";
import { applyOne, BARE, nameOf, OURS, writeService } from "./objects.ts";

const ANSWER_MS_MAX = 30_000;
const LINE_BYTES_MAX = 1024 * 1024;

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Edits the first `count` InferenceServices of the controller, one after the other. */
export async function editOneByOne(client: Kube, count: number): Promise<Latency> {
  return measureEdits(client, OURS, { count, serviceOf: predictorOf });
}

/**
 * The same in the other namespace, where instead of the controller somebody waits who only writes
 * the Knative Service when an InferenceService changes.
 */
export async function editOneByOneBare(
  writer: Kube,
  client: Kube,
  count: number,
): Promise<Latency> {
  const follower = await watch(writer, INFERENCE_SERVICE, BARE, (name) => {
    writeService(writer, name, EDITED).catch((error: unknown) => follower.fail(error));
  });
  try {
    return await Promise.race([
      measureEdits(client, BARE, { count, serviceOf: (name) => name }),
      follower.failed,
    ]);
  } finally {
    follower.close();
  }
}

/** minReplicas of an edit; no other phase of a round sets as many. */
const EDITED = 3;

function predictorOf(name: string): string {
  return componentServiceName(name, "predictor");
}

interface Edits {
  readonly count: number;
  /** The name of an InferenceService's Knative Service. */
  readonly serviceOf: (name: string) => string;
}

async function measureEdits(
  client: Kube,
  namespace: string,
  { count, serviceOf }: Edits,
): Promise<Latency> {
  const waiting = new Map<string, (atMs: number) => void>();
  const services = await watch(client, KNATIVE_SERVICE, namespace, (name) => {
    waiting.get(name)?.(performance.now());
  });
  const tookMs: number[] = [];
  try {
    for (let index = 0; index < count; index += 1) {
      const name = nameOf(index);
      const service = serviceOf(name);
      const applied = new Promise<number>((resolve) => waiting.set(service, resolve));
      await applyOne(client, namespace, name, EDITED);
      const answeredMs = performance.now();
      const late = lateness(`the Knative Service ${service}`);
      const appliedMs = await Promise.race([applied, services.failed, late.promise]);
      late.cancel();
      waiting.delete(service);
      tookMs.push(appliedMs - answeredMs);
    }
  } finally {
    services.close();
  }
  const ascending = tookMs.toSorted((a, b) => a - b);
  return { p50Ms: percentile(ascending, 50), p99Ms: percentile(ascending, 99) };
}

function lateness(what: string): { promise: Promise<never>; cancel: () => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`${what} did not change within ${ANSWER_MS_MAX} ms of the edit`)),
    ANSWER_MS_MAX,
  );
  return { promise, cancel: () => clearTimeout(timer) };
}

interface Watch {
  /** Rejects when the watch breaks. */
  readonly failed: Promise<never>;
  fail(error: unknown): void;
  close(): void;
}

/** Tells the name of each object that changes from now on. */
async function watch(
  { http }: Kube,
  kind: Kind,
  namespace: string,
  onChange: (name: string) => void,
): Promise<Watch> {
  const path = collectionPath(kind, namespace);
  const list = await http.json<{ metadata: { resourceVersion: string } }>({
    method: "GET",
    path,
    query: { limit: 1 },
  });
  const { resourceVersion } = list.metadata;
  const stream = await http.stream({
    method: "GET",
    path,
    query: { watch: true, resourceVersion },
  });
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  const read = async (): Promise<void> => {
    for await (const line of jsonLines(stream.chunks, LINE_BYTES_MAX)) {
      const { type, object } = line as { type: string; object: KubeObject };
      if (type === "ERROR")
        throw new Error(`the watch of ${kind.plural}: ${JSON.stringify(object)}`);
      onChange(object.metadata.name);
    }
    throw new Error(`the watch of ${kind.plural} ended`);
  };
  void read().catch(fail);
  return { failed, fail, close: () => stream.close() };
}
