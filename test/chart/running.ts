/** The real controller with the chart's configuration and permissions, on a real API server. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { startApp, type App } from "../../controller/app.ts";
import { readConfig } from "../../controller/config.ts";
import { createLog } from "../../controller/ops/log.ts";
import { createMetrics } from "../../controller/ops/metrics.ts";
import { waitFor } from "../../hack/cluster/wait.ts";
import { ensureModuleSource } from "../../hack/go/build.ts";
import { SERVING_VERSION } from "../../hack/go/modules.ts";
import { TIMEOUT, type TestCluster } from "./cluster.ts";
import { environment, only, type Manifest } from "./objects.ts";

export const SYSTEM = "pilotlight-system";

export const KSERVE_RESOURCES: readonly string[] = [
  "inferenceservices.serving.kserve.io",
  "servingruntimes.serving.kserve.io",
  "clusterservingruntimes.serving.kserve.io",
];

/** Definitions of the kinds that the controller reads and writes, from Knative's own module. */
export async function applyKnative(
  { kubectl }: TestCluster,
  more: readonly string[],
): Promise<void> {
  const folder = await ensureModuleSource("knative.dev/serving", SERVING_VERSION);
  const crds = ["service", "revision"].map((kind) =>
    join(folder, "config/core/300-resources", `${kind}.yaml`),
  );
  await kubectl(["apply", "--server-side", ...crds.flatMap((path) => ["-f", path])]);
  // All that the controller reads: of a definition that is new, the API server says for a moment
  // that its storage is being initialized, and the controller complains, rightly.
  const resources = [
    "services.serving.knative.dev",
    "revisions.serving.knative.dev",
    "inferenceservices.pilotlight.dev",
    "servingruntimes.pilotlight.dev",
    "clusterservingruntimes.pilotlight.dev",
    ...more,
  ];
  for (const resource of resources) {
    await waitFor(`${resource} is served`, () => kubectl(["get", resource, "-A"]), TIMEOUT);
  }
}

export interface RunningController {
  readonly stop: () => Promise<void>;
  readonly metrics: () => Promise<string>;
  /** Log lines of level warn and above. */
  readonly complaints: () => readonly string[];
}

/** The controller in this process, configured by the chart's Deployment and its ServiceAccount. */
export async function runController(
  { apiserver }: TestCluster,
  all: readonly Manifest[],
): Promise<RunningController> {
  const folder = await mkdtemp(join(tmpdir(), "plchart-"));
  const file = join(folder, "config.yaml");
  await writeFile(file, only(all, "ConfigMap").data?.["config.yaml"] ?? "");
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(await apiserver.serviceAccountKubeconfig(SYSTEM, "pilotlight"));
  const lines: string[] = [];
  const metrics = createMetrics({ version: "test", defaults: false });
  const app: App = await startApp({
    config: readConfig({
      ...environment(all),
      CONFIG_FILE: file,
      OPS_HOST: "127.0.0.1",
      OPS_PORT: "0",
      POD_NAMESPACE: SYSTEM,
      POD_NAME: "pilotlight-0",
    }),
    kubeConfig,
    version: "test",
    log: createLog({
      level: "warn",
      name: "controller",
      destination: { write: (line) => lines.push(line) },
    }),
    metrics,
  });
  return {
    stop: async () => {
      await app.stop();
      await rm(folder, { recursive: true, force: true });
    },
    metrics: () => metrics.render(),
    complaints: () => lines,
  };
}
