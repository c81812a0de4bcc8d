import { access } from "node:fs/promises";
import type { Cluster, Provider } from "./cluster.ts";
import { plainCommands } from "./plain.ts";

const INGRESS_VARIABLE = "PILOTLIGHT_INGRESS";
const LOADER_VARIABLE = "PILOTLIGHT_IMAGE_LOADER";

/**
 * A cluster that somebody else runs: KUBECONFIG says which, PILOTLIGHT_INGRESS (host:port) where
 * requests enter. Knative Serving must be installed there. Images are made known by the command
 * in PILOTLIGHT_IMAGE_LOADER, which gets the tar's path as its last argument ("kind load
 * image-archive", for instance).
 */
export function kubeconfigProvider(env: NodeJS.ProcessEnv): Provider {
  const open = async (): Promise<Cluster> => openExisting(env);
  return {
    up: open,
    find: open,
    down: async () => {
      // Not ours to end.
    },
    status: async () => `provider  kubeconfig\nKUBECONFIG  ${(await open()).kubeconfig}`,
    logPath: () => undefined,
  };
}

async function openExisting(env: NodeJS.ProcessEnv): Promise<Cluster> {
  const kubeconfig = env.KUBECONFIG;
  if (kubeconfig === undefined || kubeconfig === "") {
    throw new Error("PILOTLIGHT_CLUSTER=kubeconfig: set KUBECONFIG to the cluster's file");
  }
  await access(kubeconfig);
  const commands = plainCommands(env);
  const { exec } = commands;
  await exec("kubectl", ["get", "crd", "services.serving.knative.dev", "--output=name"]);
  const ingress = parseAddress(env[INGRESS_VARIABLE]);
  return {
    provider: "kubeconfig",
    kubeconfig,
    ingress,
    nodeAddress: ingress.host,
    auditLog: undefined,
    ...commands,
    importImage: async (tarPath) => loadImage(env, exec, tarPath),
    processes: {},
  };
}

async function loadImage(
  env: NodeJS.ProcessEnv,
  exec: Cluster["exec"],
  tarPath: string,
): Promise<void> {
  const [loader, ...args] = (env[LOADER_VARIABLE] ?? "").split(" ").filter((word) => word !== "");
  if (loader === undefined) {
    throw new Error(
      `set ${LOADER_VARIABLE} to the command that loads an image's tar into the cluster's nodes`,
    );
  }
  await exec(loader, [...args, tarPath]);
}

/** "host:port" as two values; throws what to set when it is no such thing. */
export function parseAddress(text: string | undefined): { host: string; port: number } {
  const match = /^(.+):(\d{1,5})$/.exec(text ?? "");
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || !(port > 0 && port < 65536)) {
    throw new Error(`set ${INGRESS_VARIABLE} to host:port of the cluster's ingress, not "${text}"`);
  }
  return { host: match[1], port };
}
