/**
 * The one table of accelerators. Facts are the vendors', each with where it stands; the last three
 * columns are judged, not measured: no accelerator was at hand. docs/accelerators.md shows the
 * table, and a test holds the two equal.
 */
import type { Accelerator } from "../api/inferenceservice.gen.ts";

export type AcceleratorType = NonNullable<Accelerator["type"]>;

/** Which label of a node says its product: the first whose pattern fits the product's name. */
export interface ProductLabel {
  readonly label: string;
  readonly pattern?: RegExp;
}

export interface AcceleratorRow {
  /** For sentences. */
  readonly name: string;
  /** Extended resource that the vendor's device plugin offers; taints have the same key. */
  readonly resource: string;
  readonly productLabels: readonly ProductLabel[];
  /** Most devices of one node that is known to be sold. */
  readonly countMax: number;
  /** Exactly these counts exist, where not all do. */
  readonly counts?: readonly number[];
  /** Label that says how the devices are wired, for those that need it said. */
  readonly topologyLabel?: string;
  /** Bytes of /dev/shm for each device: what the devices' runtimes pass data through. */
  readonly sharedMemoryGi: number;
  readonly startupTimeoutSeconds: number;
  /**
   * Requests in one pod at once: enough for a batch, so that more of them wait at the activator,
   * where another pod can take them.
   */
  readonly containerConcurrency: number;
}

/** Waiting requests are held by the activator, always: it is what finds a pod with room. */
export const TARGET_BURST_CAPACITY = "-1";

export const ACCELERATORS: Readonly<Record<AcceleratorType, AcceleratorRow>> = {
  // Resource and taint: github.com/NVIDIA/k8s-device-plugin; labels: its gpu-feature-discovery, and
  // GKE's own for GKE's lower-case names (cloud.google.com/kubernetes-engine/docs/how-to/gpus).
  nvidia: {
    name: "NVIDIA GPU",
    resource: "nvidia.com/gpu",
    productLabels: [
      { label: "cloud.google.com/gke-accelerator", pattern: /^nvidia-[a-z0-9-]+$/ },
      { label: "nvidia.com/gpu.product" },
    ],
    countMax: 16,
    sharedMemoryGi: 2,
    startupTimeoutSeconds: 1800,
    containerConcurrency: 32,
  },
  // awsdocs-neuron.readthedocs-hosted.com, "Neuron device plugin": Inferentia and Trainium are both
  // aws.amazon.com/neuron, and nodes are told apart by instance type. trn1.32xlarge has 16.
  "aws-neuron": {
    name: "AWS Inferentia or Trainium device",
    resource: "aws.amazon.com/neuron",
    productLabels: [{ label: "node.kubernetes.io/instance-type" }],
    countMax: 16,
    sharedMemoryGi: 1,
    startupTimeoutSeconds: 1800,
    containerConcurrency: 8,
  },
  // cloud.google.com/kubernetes-engine/docs/concepts/plan-tpus: both labels select the nodes, and a
  // pod takes all chips of its node; a node has 1, 4 or 8.
  "google-tpu": {
    name: "Google TPU chip",
    resource: "google.com/tpu",
    productLabels: [{ label: "cloud.google.com/gke-tpu-accelerator" }],
    countMax: 8,
    counts: [1, 4, 8],
    topologyLabel: "cloud.google.com/gke-tpu-topology",
    sharedMemoryGi: 1,
    startupTimeoutSeconds: 1800,
    containerConcurrency: 8,
  },
  // instinct.docs.amd.com/projects/k8s-device-plugin: resource, and the node labeller's labels.
  amd: {
    name: "AMD GPU",
    resource: "amd.com/gpu",
    productLabels: [{ label: "amd.com/gpu.product-name" }],
    countMax: 8,
    sharedMemoryGi: 2,
    startupTimeoutSeconds: 1800,
    containerConcurrency: 32,
  },
  // docs.habana.ai, "Intel Gaudi device plugin": servers have 8; no label for the product is
  // documented, so the instance type is what tells.
  gaudi: {
    name: "Intel Gaudi",
    resource: "habana.ai/gaudi",
    productLabels: [{ label: "node.kubernetes.io/instance-type" }],
    countMax: 8,
    sharedMemoryGi: 2,
    startupTimeoutSeconds: 1800,
    containerConcurrency: 32,
  },
};

/**
 * TPU slices that lie on one node, by product and count: a revision's pods are independent, so none
 * can be a part of a slice of several nodes. Source as above; cloud.google.com/tpu/docs/v5e, /v6e,
 * /v5p, /v4, /tpu7x.
 */
export const TPU_TOPOLOGIES: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  "tpu-v4-podslice": { 4: "2x2x1" },
  "tpu-v5-lite-podslice": { 1: "1x1", 4: "2x2", 8: "2x4" },
  "tpu-v5p-slice": { 4: "2x2x1" },
  "tpu-v6e-slice": { 1: "1x1", 4: "2x2", 8: "2x4" },
  tpu7x: { 4: "2x2x1" },
};

/** Devices of one instance, where AWS sells a fixed number (aws.amazon.com/ec2/instance-types). */
export const NEURON_DEVICES: Readonly<Record<string, number>> = {
  "inf1.xlarge": 1,
  "inf1.2xlarge": 1,
  "inf1.6xlarge": 4,
  "inf1.24xlarge": 16,
  "inf2.xlarge": 1,
  "inf2.8xlarge": 1,
  "inf2.24xlarge": 6,
  "inf2.48xlarge": 12,
  "trn1.2xlarge": 1,
  "trn1.32xlarge": 16,
  "trn1n.32xlarge": 16,
  "trn2.3xlarge": 1,
  "trn2.48xlarge": 16,
};
