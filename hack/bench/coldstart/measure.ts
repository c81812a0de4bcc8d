/** Measures cold starts from inside of the cluster's network; coldstart/main.ts starts it there. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { request } from "undici";
import { INFERENCE_SERVICE, KNATIVE_SERVICE, POD } from "../../../controller/api/kinds.ts";
import type { KnativeService } from "../../../controller/api/knative-service.gen.ts";
import type { KubeObject } from "../../../controller/cluster.ts";
import { condition } from "../../../controller/observe/conditions.ts";
import { NAMESPACE, kube, type Kube } from "../../../test/support/kube.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import { openCluster } from "../../cluster/open.ts";
import { type Summary, summarize } from "../predictor/stats.ts";

const ROOT = join(import.meta.dirname, "../../..");
const namespace = "bench-coldstart";
const WAIT_MS = 180_000;
/** Short, so that a round takes seconds; it does not touch what a start takes. */
const ANNOTATIONS = { "autoscaling.knative.dev/window": "6s" };
/** The least that a server can be; it ends when told, which PID 1 does not by itself. */
const FLOOR = join(ROOT, "hack/cluster/bare-server.cjs");

interface Candidate {
  readonly name: string;
  readonly service: string;
  readonly path: string;
  readonly body: string;
}

async function main(rounds: number): Promise<void> {
  const cluster = await openCluster();
  const client = kube(cluster.kubeconfig);
  try {
    // One that was killed has left it.
    await client.remove(NAMESPACE, "", namespace);
    await client.until(
      `namespace ${namespace} of an earlier run is gone`,
      async () => ((await client.get(NAMESPACE, "", namespace)) === undefined ? true : undefined),
      2 * WAIT_MS,
    );
    await client.apply(NAMESPACE, {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: namespace },
    });
    const candidates = await deploy(client);
    const times = new Map<string, number[]>(candidates.map(({ name }) => [name, []]));
    for (let round = 1; round <= rounds; round += 1) {
      // In turn and in both orders, so that what else the machine does falls on all alike.
      for (const candidate of round % 2 === 0 ? candidates.toReversed() : candidates) {
        await untilZero(client, candidate.service);
        const ms = await ask(cluster, candidate);
        times.get(candidate.name)?.push(ms);
        process.stdout.write(`round ${round}: ${candidate.name} ${(ms / 1000).toFixed(3)} s\n`);
      }
    }
    await report(new Map([...times].map(([name, values]) => [name, summarize(values)])), rounds);
  } finally {
    await client.remove(NAMESPACE, "", namespace);
    await client.close();
  }
}

async function deploy(client: Kube): Promise<readonly Candidate[]> {
  const { apiVersion, kind } = INFERENCE_SERVICE;
  const resources = { requests: { cpu: "100m", memory: "128Mi" } };
  const model = {
    modelFormat: { name: "onnx" },
    storageUri: "file:///opt/pilotlight/examples/iris/model",
    resources,
  };
  await client.apply(INFERENCE_SERVICE, {
    apiVersion,
    kind,
    metadata: { name: "iris", namespace },
    spec: { predictor: { annotations: ANNOTATIONS, model } },
  } as KubeObject);
  const iris = await untilReady(client, "iris-predictor");
  const image = iris.spec?.template?.spec?.containers[0]?.image;
  const floor = await readFile(FLOOR, "utf8");
  await client.apply(KNATIVE_SERVICE, {
    apiVersion: KNATIVE_SERVICE.apiVersion,
    kind: KNATIVE_SERVICE.kind,
    metadata: { name: "floor", namespace },
    spec: {
      template: {
        metadata: { annotations: ANNOTATIONS },
        spec: {
          containers: [
            {
              image,
              resources,
              command: ["/opt/pilotlight/node"],
              args: ["-e", floor],
              // The same kind of probe as a predictor has: how readiness is found out takes time
              // too.
              readinessProbe: { httpGet: { path: "/", port: 8080 }, successThreshold: 1 },
              ports: [{ containerPort: 8080 }],
            },
          ],
        },
      },
    },
  } as KubeObject);
  await untilReady(client, "floor");
  const body = await readFile(join(ROOT, "examples/iris/request.json"), "utf8");
  return [
    { name: "floor (bare Node server)", service: "floor", path: "/", body: "" },
    { name: "iris", service: "iris-predictor", path: "/v2/models/iris/infer", body },
  ];
}

function untilReady(client: Kube, name: string): Promise<KnativeService> {
  const probe = async (): Promise<KnativeService | undefined> => {
    const found = await client.get<KnativeService>(KNATIVE_SERVICE, namespace, name);
    const current = found?.status?.observedGeneration === found?.metadata.generation;
    const ready = condition(found?.status?.conditions, "Ready")?.status === "True";
    return current && ready ? found : undefined;
  };
  return client.until(`Knative Service ${name} is ready`, probe, WAIT_MS);
}

async function untilZero(client: Kube, service: string): Promise<void> {
  const probe = async (): Promise<true | undefined> => {
    const pods = await client.list(POD, namespace);
    const own = pods.filter(
      (pod) => pod.metadata.labels?.["serving.knative.dev/service"] === service,
    );
    return own.length === 0 ? true : undefined;
  };
  await client.until(`no pod of ${service} is left`, probe, WAIT_MS);
}

async function ask({ ingress }: Cluster, candidate: Candidate): Promise<number> {
  const started = performance.now();
  const answer = await request(`http://${ingress.host}:${ingress.port}${candidate.path}`, {
    method: "POST",
    headers: { host: `${candidate.service}.${namespace}.example.com` },
    body: candidate.body,
    headersTimeout: WAIT_MS,
  });
  const text = await answer.body.text();
  if (answer.statusCode !== 200) {
    throw new Error(`${candidate.name} answered ${answer.statusCode}: ${text}`);
  }
  return performance.now() - started;
}

async function report(results: ReadonlyMap<string, Summary>, rounds: number): Promise<void> {
  const seconds = (ms: number): string => (ms / 1000).toFixed(3);
  process.stdout.write(`\nfrom zero to the first answer, s, ${rounds} rounds in turn\n`);
  for (const [name, { median, min, max }] of results) {
    const spread = `${seconds(min)} … ${seconds(max)}`;
    process.stdout.write(`${name.padEnd(26)} median ${seconds(median)}   ${spread}\n`);
  }
  const [floor, iris] = [...results.values()];
  if (floor !== undefined && iris !== undefined) {
    const over = seconds(iris.median - floor.median);
    const ratio = (iris.median / floor.median).toFixed(2);
    process.stdout.write(`iris over the floor: ${over} s, ${ratio} times\n`);
  }
  const folder = join(ROOT, "docs/results");
  await mkdir(folder, { recursive: true });
  const content = JSON.stringify({ unit: "ms", rounds, ...Object.fromEntries(results) }, null, 2);
  await writeFile(join(folder, "coldstart.json"), `${content}\n`);
}

await main(Number(process.argv[2]));
