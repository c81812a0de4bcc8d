/**
 * What a pod asks of a node, and which part of it no node gives. The scheduler says which of its
 * filters failed how often ("0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s)
 * didn't match"); this says it the other way round, from the nodes as they are.
 */
import type { KnativeServicePodSpec } from "../api/knative-service.gen.ts";
import type { KubeObject } from "../cluster.ts";
import { isExtended } from "./extended-resources.ts";
import { meets, requiredTerms, written as writtenTerms } from "./node-affinity.ts";
import { parseQuantity } from "./quantity.ts";

export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
}

/** The slice of a node that placement depends on. */
export interface Node extends KubeObject {
  readonly spec?: { readonly taints?: readonly Taint[] };
  readonly status?: { readonly allocatable?: Readonly<Record<string, string>> };
}

export interface Shortage {
  /** Whether some node could take the pod, if it had room. */
  readonly possible: boolean;
  /** The part of the demand that no node meets, without a full stop. */
  readonly message: string;
}

/** Why `pod` finds no place on `nodes`. */
export function shortage(pod: KnativeServicePodSpec, nodes: readonly Node[]): Shortage {
  const missing = unmet(pod, nodes);
  return typeof missing === "string"
    ? { possible: false, message: missing }
    : {
        possible: true,
        message: `${missing.left} of ${count(nodes)} would do, but what it needs is in use there${unseen(pod)}`,
      };
}

/** What keeps a pod away as well, and is not to be read from the nodes. */
function unseen({ affinity = {}, topologySpreadConstraints, volumes = [] }: Wanted): string {
  const parts = [
    ...("podAffinity" in affinity || "podAntiAffinity" in affinity ? ["affinity to pods"] : []),
    ...(topologySpreadConstraints === undefined ? [] : ["topologySpreadConstraints"]),
    ...(volumes.some((volume) => "persistentVolumeClaim" in volume) ? ["volumes"] : []),
  ];
  return parts.length === 0 ? "" : `, or its ${parts.join(" or ")} keep it away`;
}

type Wanted = Pick<KnativeServicePodSpec, "affinity" | "topologySpreadConstraints" | "volumes">;

function count(nodes: readonly Node[]): string {
  return `${nodes.length} ${nodes.length === 1 ? "node" : "nodes"}`;
}

/** What no node meets; else how many meet everything. */
function unmet(
  pod: KnativeServicePodSpec,
  nodes: readonly Node[],
): string | { readonly left: number } {
  const all = count(nodes);
  if (nodes.length === 0) {
    return "the cluster has no nodes";
  }
  const demand = demandOf(pod);
  for (const [resource, amount] of demand) {
    const missing = shortOf(resource, amount, nodes, all);
    if (missing !== undefined) {
      return missing;
    }
  }
  const labels = Object.entries(pod.nodeSelector ?? {});
  const absent = labels.filter((label) => !nodes.some((node) => hasLabel(node, label)));
  if (absent.length > 0) {
    return `0 of ${all} have the label ${absent.map(written).join(" and ")}`;
  }
  const terms = requiredTerms(pod.affinity);
  if (terms !== undefined && !nodes.some((node) => meets(node, terms))) {
    return `0 of ${all} meet the required node affinity (${writtenTerms(terms)})`;
  }
  const offering = nodes.filter((node) => demand.every((want) => offers(node, want)));
  const matching = nodes.filter(
    (node) => labels.every((label) => hasLabel(node, label)) && meets(node, terms),
  );
  const both = offering.filter((node) => matching.includes(node));
  if (both.length === 0) {
    const what = demand.filter(([resource]) => isExtended(resource)).map(([resource]) => resource);
    const offered = what.length === 0 ? "the resources" : what.join(" and ");
    const wanted = [
      ...(labels.length === 0 ? [] : [`have the labels ${labels.map(written).join(" and ")}`]),
      ...(terms === undefined ? [] : [`meet the required node affinity (${writtenTerms(terms)})`]),
    ].join(" and ");
    return `${offering.length} of ${all} offer ${offered} and ${matching.length} ${wanted}, but none does both`;
  }
  const blocking = both.map((node) => blockingTaint(node, pod)).filter((taint) => taint);
  if (blocking.length === both.length) {
    const taints = new Set(blocking.map((taint) => taint && taintText(taint)));
    return `${both.length} of ${all} would do, but the pod does not tolerate ${[...taints].join(" or ")}`;
  }
  return { left: both.length - blocking.length };
}

type Demand = readonly (readonly [resource: string, amount: number])[];

/**
 * Sums over containers; devices first, since they are what is scarce. A limit without a request is
 * a request as well: Kubernetes makes it one.
 */
function demandOf(pod: KnativeServicePodSpec): Demand {
  const sums = new Map<string, number>();
  for (const { resources } of pod.containers) {
    for (const [resource, quantity] of Object.entries({
      ...resources?.limits,
      ...resources?.requests,
    })) {
      sums.set(resource, (sums.get(resource) ?? 0) + (parseQuantity(quantity) ?? 0));
    }
  }
  return [...sums]
    .filter(([, amount]) => amount > 0)
    .toSorted(([a], [b]) => Number(isExtended(b)) - Number(isExtended(a)));
}

function allocatable(node: Node, resource: string): number {
  return parseQuantity(node.status?.allocatable?.[resource] ?? "0") ?? 0;
}

function offers(node: Node, [resource, amount]: Demand[number]): boolean {
  return allocatable(node, resource) >= amount;
}

function shortOf(
  resource: string,
  amount: number,
  nodes: readonly Node[],
  all: string,
): string | undefined {
  const most = Math.max(0, ...nodes.map((node) => allocatable(node, resource)));
  if (most >= amount) {
    return undefined;
  }
  return most === 0
    ? `0 of ${all} offer ${resource}`
    : `0 of ${all} offer ${shown(resource, amount)} of ${resource}; the most is ${shown(resource, most)}`;
}

const MEBIBYTE = 2 ** 20;

function shown(resource: string, amount: number): string {
  return /^(memory|ephemeral-storage|hugepages-)/.test(resource)
    ? `${Math.ceil(amount / MEBIBYTE)}Mi`
    : String(amount);
}

function hasLabel(node: Node, [key, value]: readonly [string, string]): boolean {
  return node.metadata.labels?.[key] === value;
}

function written([key, value]: readonly [string, string]): string {
  return `${key}=${value}`;
}

/** The first taint that keeps the pod away (k8s.io/component-helpers scheduling/corev1). */
function blockingTaint(node: Node, { tolerations = [] }: KnativeServicePodSpec): Taint | undefined {
  return (node.spec?.taints ?? [])
    .filter(({ effect }) => effect !== "PreferNoSchedule")
    .find(
      (taint) =>
        !tolerations.some(
          ({ key = "", operator = "Equal", value = "", effect = "" }) =>
            (effect === "" || effect === taint.effect) &&
            (key === "" ? operator === "Exists" : key === taint.key) &&
            (operator === "Exists" || value === (taint.value ?? "")),
        ),
    );
}

function taintText({ key, value, effect }: Taint): string {
  return `${key}${value === undefined || value === "" ? "" : `=${value}`}:${effect}`;
}
