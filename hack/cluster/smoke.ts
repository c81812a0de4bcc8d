import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cluster } from "./cluster.ts";
import { writeNodeImage } from "./node-image.ts";
import { waitFor } from "./wait.ts";

const NAME = "smoke";
const NAMESPACE = "default";
const TAG = "dev.local/pilotlight-smoke:v1";
const HOST = `${NAME}.${NAMESPACE}.example.com`;
const ZERO_TIMEOUT_MS = 180_000;
const REQUEST_TIMEOUT_S = 60;

/** How long each step of a Knative Service's life took. */
export interface SmokeTimes {
  readonly readyMs: number;
  readonly warmMs: number;
  readonly zeroMs: number;
  readonly coldMs: number;
}

/**
 * Deploys a bare Node server as a Knative Service, asks it through the ingress, waits until it
 * is scaled to zero, asks again, and removes it. Throws where the cluster does not do its part.
 */
export async function smoke(cluster: Cluster): Promise<SmokeTimes> {
  const folder = await mkdtemp(join(tmpdir(), "plsmoke-"));
  try {
    const tar = join(folder, "image.tar");
    const script = join(import.meta.dirname, "bare-server.cjs");
    await writeNodeImage({ tag: TAG, script }, tar);
    await cluster.importImage(tar);
    const readyMs = await timed(async () => deploy(cluster));
    await request(cluster);
    const warmMs = await timed(async () => request(cluster));
    const zeroMs = await timed(async () => waitForZero(cluster));
    const coldMs = await timed(async () => request(cluster));
    return { readyMs, warmMs, zeroMs, coldMs };
  } finally {
    await kubectl(cluster, ["delete", "ksvc", NAME, "--ignore-not-found"]);
    await rm(folder, { recursive: true, force: true });
  }
}

async function deploy(cluster: Cluster): Promise<void> {
  const service = {
    apiVersion: "serving.knative.dev/v1",
    kind: "Service",
    metadata: { name: NAME, namespace: NAMESPACE },
    spec: {
      template: {
        metadata: { annotations: { "autoscaling.knative.dev/window": "6s" } },
        spec: { containers: [{ image: TAG }] },
      },
    },
  };
  await kubectl(cluster, ["apply", "--filename", "-"], JSON.stringify(service));
  await kubectl(cluster, ["wait", "--for=condition=Ready", `ksvc/${NAME}`, "--timeout=120s"]);
}

/** By curl where the cluster's addresses can be reached, which this process may not be. */
async function request(cluster: Cluster): Promise<void> {
  const { host, port } = cluster.ingress;
  const { stdout } = await cluster.exec("curl", [
    "--silent",
    "--show-error",
    "--fail",
    "--max-time",
    String(REQUEST_TIMEOUT_S),
    "--header",
    `Host: ${HOST}`,
    `http://${host}:${port}/`,
  ]);
  if (stdout !== "bare\n") {
    throw new Error(`the smoke test's server answered ${JSON.stringify(stdout)}`);
  }
}

async function waitForZero(cluster: Cluster): Promise<void> {
  const pods = ["get", "pods", "--selector", `serving.knative.dev/service=${NAME}`];
  await waitFor(
    "no pod is left",
    async () => ((await kubectl(cluster, [...pods, "--output=name"])) === "" ? true : undefined),
    { timeoutMs: ZERO_TIMEOUT_MS, intervalMs: 500 },
  );
}

async function kubectl(cluster: Cluster, args: readonly string[], input = ""): Promise<string> {
  const all = ["--namespace", NAMESPACE, ...args];
  return (await cluster.exec("kubectl", all, { input })).stdout;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return Math.round(performance.now() - beganMs);
}
