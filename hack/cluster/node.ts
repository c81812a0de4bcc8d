import type { Cluster } from "./cluster.ts";

/** What the scheduler does with pods that do not tolerate a taint. */
export type TaintEffect = "NoSchedule" | "PreferNoSchedule" | "NoExecute";

export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: TaintEffect;
}

/** The name of the first node. */
export async function nodeName(cluster: Cluster): Promise<string> {
  const path = "--output=jsonpath={.items[0].metadata.name}";
  return (await cluster.exec("kubectl", ["get", "nodes", path])).stdout;
}

/**
 * Lets the node have `quantity` of a device that no plugin offers ("nvidia.com/gpu",
 * "aws.amazon.com/neuron", "google.com/tpu"): scheduling is then real, only the device is not.
 * Undefined takes it away.
 */
export async function patchNodeExtendedResource(
  cluster: Cluster,
  resource: string,
  quantity: number | undefined,
): Promise<void> {
  const amount = { [resource]: quantity === undefined ? null : String(quantity) };
  const patch = { status: { capacity: amount, allocatable: amount } };
  await patchNode(cluster, patch, ["--subresource=status"]);
}

/** Sets a label of the node, or removes it where the value is undefined. */
export async function labelNode(
  cluster: Cluster,
  key: string,
  value: string | undefined,
): Promise<void> {
  await patchNode(cluster, { metadata: { labels: { [key]: value ?? null } } });
}

/** Adds a taint to the node, or changes the value of the one with this key and effect. */
export async function taintNode(cluster: Cluster, taint: Taint): Promise<void> {
  const word = `${taint.key}=${taint.value ?? ""}:${taint.effect}`;
  await cluster.exec("kubectl", ["taint", "node", await nodeName(cluster), word, "--overwrite"]);
}

/** Removes the taint with this key and effect; that there is none is no error. */
export async function untaintNode(
  cluster: Cluster,
  { key, effect }: Pick<Taint, "key" | "effect">,
): Promise<void> {
  const words = ["taint", "node", await nodeName(cluster), `${key}:${effect}-`];
  const { exitCode, stderr } = await cluster.exec("kubectl", words, { tolerate: true });
  if (exitCode !== 0 && !stderr.includes("not found")) {
    throw new Error(`kubectl ${words.join(" ")}: ${stderr}`);
  }
}

async function patchNode(
  cluster: Cluster,
  patch: unknown,
  more: readonly string[] = [],
): Promise<void> {
  const words = ["patch", "node", await nodeName(cluster), "--type=merge", ...more];
  await cluster.exec("kubectl", [...words, `--patch=${JSON.stringify(patch)}`]);
}
