/**
 * The tiers of tests: which files, how long one test may take, and what keeps the tier from running
 * on this machine.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { findChromium } from "../browser/chromium.ts";
import { pythonHindrance } from "../python/venv.ts";
import { openCluster } from "../cluster/open.ts";
import { installPilotlight } from "../cluster/pilotlight.ts";
import { asOnlyTier } from "../cluster/tier-lock.ts";
import { prepareApiserver, prepareBrowser, prepareCluster, prepareUnit } from "./prepare.ts";

export interface Tier {
  /** Globs from the repository's root. */
  readonly specs: readonly string[];
  readonly timeoutMs: number;
  /** Why this machine cannot run the tier, in a sentence; undefined when it can. */
  readonly hindrance: () => Promise<string | undefined>;
  /** Builds or installs what the tests start, where that takes longer than a test may. */
  readonly prepare?: () => Promise<void>;
  /** Runs the whole of it where no other run may go on at the same time. Throws when one does. */
  readonly alone?: <T>(work: () => Promise<T>) => Promise<T>;
  /** Starts Node with these arguments where the tier's tests have to run. */
  readonly launch: (args: readonly string[]) => Promise<ChildProcess>;
}

const here = (args: readonly string[]): Promise<ChildProcess> =>
  Promise.resolve(spawn(process.execPath, args, { stdio: "inherit" }));

/** In the cluster's own network, with Pilotlight installed. */
async function insideCluster(args: readonly string[]): Promise<ChildProcess> {
  const cluster = await openCluster();
  await installPilotlight(cluster);
  return cluster.spawn(process.execPath, args, { stdio: "inherit" });
}

const none = (): Promise<undefined> => Promise.resolve(undefined);

function works(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

const hasGo = (): boolean => works("go", ["version"]);
const isRoot = (): boolean => process.getuid?.() === 0;

/** etcd and kube-apiserver may come from KUBEBUILDER_ASSETS; Knative's definitions are a Go module. */
async function apiserverHindrance(): Promise<string | undefined> {
  return hasGo()
    ? undefined
    : "needs Go to build Kubernetes' programs; KUBEBUILDER_ASSETS saves the build of two of them";
}

async function imageHindrance(): Promise<string | undefined> {
  if (process.platform !== "linux") {
    return "needs a Docker engine on Linux";
  }
  return isRoot() ? undefined : "needs root to start a Docker engine";
}

async function browserHindrance(): Promise<string | undefined> {
  return findChromium() !== undefined || isRoot()
    ? undefined
    : "needs Chromium: install Debian's chromium";
}

async function clusterHindrance(): Promise<string | undefined> {
  if (process.env["PILOTLIGHT_CLUSTER"] !== undefined) {
    return undefined;
  }
  if (process.platform !== "linux" || !isRoot()) {
    return "needs root on Linux to start a kubelet; or PILOTLIGHT_CLUSTER=kubeconfig for a cluster of yours";
  }
  return hasGo() ? undefined : "needs Go to build Kubernetes and Knative";
}

export const TIERS: Readonly<Record<string, Tier>> = {
  unit: {
    specs: [
      "controller/**/*.test.ts",
      "predictor/**/*.test.ts",
      "hack/**/*.test.ts",
      "examples/**/*.test.ts",
      "test/*.test.ts",
      "test/conformance/*.test.ts",
    ],
    timeoutMs: 60_000,
    hindrance: none,
    prepare: async () => prepareUnit({ hasGo: hasGo() }),
    launch: here,
  },
  apiserver: {
    specs: ["test/apiserver/**/*.test.ts", "test/support/**/*.test.ts"],
    timeoutMs: 120_000,
    hindrance: apiserverHindrance,
    prepare: async () => prepareApiserver(),
    launch: here,
  },
  chart: {
    specs: ["test/chart/**/*.test.ts"],
    timeoutMs: 120_000,
    hindrance: apiserverHindrance,
    prepare: async () => prepareApiserver(["helm"]),
    launch: here,
  },
  interop: {
    specs: ["test/interop/**/*.test.ts"],
    timeoutMs: 300_000,
    hindrance: pythonHindrance,
    launch: here,
  },
  image: {
    specs: ["test/image/**/*.test.ts"],
    timeoutMs: 180_000,
    hindrance: imageHindrance,
    launch: here,
  },
  browser: {
    specs: ["test/browser/**/*.test.ts"],
    timeoutMs: 120_000,
    hindrance: browserHindrance,
    prepare: prepareBrowser,
    launch: here,
  },
  cluster: {
    specs: ["test/e2e/**/*.test.ts"],
    timeoutMs: 600_000,
    hindrance: clusterHindrance,
    prepare: async () => prepareCluster({ hasGo: hasGo() }),
    alone: asOnlyTier,
    launch: insideCluster,
  },
};
