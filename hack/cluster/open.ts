import { createProgress, type Progress } from "../go/progress.ts";
import { builtProvider } from "./built/provider.ts";
import { PROVIDERS, type Cluster, type Provider, type ProviderName } from "./cluster.ts";
import { k3sProvider } from "./k3s.ts";
import { kubeconfigProvider } from "./kubeconfig-provider.ts";

const PROVIDER_VARIABLE = "PILOTLIGHT_CLUSTER";

/**
 * Which provider is meant. A KUBECONFIG alone chooses nothing: tests change what they find, and
 * must be pointed at somebody's cluster in so many words.
 */
export function selectProvider(env: NodeJS.ProcessEnv, facts: MachineFacts): ProviderName {
  const wanted = env[PROVIDER_VARIABLE];
  if (wanted !== undefined && wanted !== "") {
    const known = PROVIDERS.find((name) => name === wanted);
    if (known === undefined) {
      const names = PROVIDERS.join(", ");
      throw new Error(`${PROVIDER_VARIABLE}=${wanted}: no such provider; there are ${names}`);
    }
    return known;
  }
  return facts.platform === "linux" && facts.isRoot ? "built" : "k3s";
}

export interface MachineFacts {
  readonly platform: string;
  readonly isRoot: boolean;
}

export function openProvider(progress: Progress = createProgress()): Provider {
  const facts = { platform: process.platform, isRoot: process.getuid?.() === 0 };
  switch (selectProvider(process.env, facts)) {
    case "built":
      return builtProvider(progress);
    case "k3s":
      return k3sProvider(progress);
    case "kubeconfig":
      return kubeconfigProvider(process.env);
  }
}

/** The cluster for tests: the running one, or a new one, which outlives the process. */
export async function openCluster(progress: Progress = createProgress()): Promise<Cluster> {
  const provider = openProvider(progress);
  return (await provider.find()) ?? provider.up();
}
