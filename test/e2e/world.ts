/**
 * The cluster under test, with Pilotlight installed by Helm. The tests run inside of the cluster's
 * network (hack/test starts them there), so that API server, Envoy and pods have the addresses that
 * they have for each other.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { request } from "undici";
import type { InferenceService } from "../../controller/api/inferenceservice.gen.ts";
import { INFERENCE_SERVICE, KNATIVE_REVISION, POD } from "../../controller/api/kinds.ts";
import type { KnativeRevision } from "../../controller/api/knative-revision.gen.ts";
import type { Kind, KubeObject } from "../../controller/cluster.ts";
import { condition } from "../../controller/observe/conditions.ts";
import type { Pod } from "../../controller/observe/pods.ts";
import { openCluster } from "../../hack/cluster/open.ts";
import type { Cluster } from "../../hack/cluster/cluster.ts";
import { LABEL_INFERENCE_SERVICE, predictorServiceName } from "../../controller/api/names.ts";
import { kube, type Kube } from "../support/kube.ts";

export const ROOT = join(import.meta.dirname, "../..");
export const NAMESPACE: Kind = {
  apiVersion: "v1",
  kind: "Namespace",
  plural: "namespaces",
  namespaced: false,
};

/** Knative's timing for tests: the mechanism is the same, the waiting is not. */
const FAST_AUTOSCALER = { "stable-window": "10s", "scale-to-zero-grace-period": "5s" };
const READY_MS = 120_000;
/**
 * Longer than Knative's grace period: a queue-proxy that is told to end in its first milliseconds
 * does not hear it, being PID 1, and its pod stays for the whole 300 s.
 */
export const GRACE_MS = 330_000;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly ms: number;
}

export interface Question {
  /** The route's, for the Host header. */
  readonly host: string;
  readonly path: string;
  /** JSON, or what becomes it. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface World {
  readonly cluster: Cluster;
  readonly client: Kube;
  kubectl(...args: readonly string[]): Promise<string>;
  /** A fresh namespace of this name; one that is there already goes first. */
  namespace(name: string): Promise<void>;
  /** Begins to remove it and does not wait: that takes minutes. */
  removeNamespace(name: string): Promise<void>;
  /** `kubectl apply -f` of a file of the repository, into the namespace. */
  applyFile(path: string, namespace: string): Promise<void>;
  /** Applies an InferenceService into the namespace. */
  apply(namespace: string, object: KubeObject): Promise<unknown>;
  isvc(namespace: string, name: string): Promise<InferenceService | undefined>;
  /** Waits until the condition has this reason for the current generation. */
  untilReason(at: At, type: string, reason: string, timeoutMs?: number): Promise<InferenceService>;
  /** Waits until the newest revision is up and its route with it. */
  untilUp(at: At): Promise<InferenceService>;
  pods(at: At): Promise<readonly ScheduledPod[]>;
  revisions(at: At): Promise<readonly KnativeRevision[]>;
  untilPods(at: At, count: number, timeoutMs?: number): Promise<void>;
  /** A POST through Envoy; the route is chosen by the Host header, as a DNS name would. */
  ask(question: Question): Promise<Answer>;
  /** The same to the predictor's own route. */
  post(at: At, path: string, body: unknown): Promise<Answer>;
  /** Merges into a ConfigMap of Knative. */
  configure(name: string, data: Readonly<Record<string, string | null>>): Promise<void>;
}

/** A pod with what the scheduler and the kubelet go by. */
export interface ScheduledPod extends Pod {
  readonly spec: {
    readonly nodeName?: string;
    readonly containers: readonly {
      readonly name: string;
      readonly resources: { readonly limits?: Readonly<Record<string, string>> };
    }[];
  };
}

export interface At {
  readonly namespace: string;
  readonly name: string;
}

let opened: Promise<World> | undefined;

/** The one world of this process. Pilotlight is installed already: hack/test does that outside. */
export function world(): Promise<World> {
  opened ??= open();
  return opened;
}

async function open(): Promise<World> {
  const cluster = await openCluster();
  const client = kube(cluster.kubeconfig);
  const made = build(cluster, client);
  await made.configure("config-autoscaler", FAST_AUTOSCALER);
  return made;
}

function build(cluster: Cluster, client: Kube): World {
  const kubectl = async (...args: readonly string[]): Promise<string> =>
    (await cluster.exec("kubectl", args)).stdout;
  const labelled = async <T extends KubeObject>(kind: Kind, at: At): Promise<readonly T[]> =>
    (await client.list<T>(kind, at.namespace)).filter(
      (object) => object.metadata.labels?.[LABEL_INFERENCE_SERVICE] === at.name,
    );
  const isvc = (namespace: string, name: string) =>
    client.get<InferenceService>(INFERENCE_SERVICE, namespace, name);
  const removeNamespace = (name: string): Promise<void> => client.remove(NAMESPACE, "", name);
  const replaceNamespace = async (name: string): Promise<void> => {
    await removeNamespace(name);
    const gone = async () =>
      (await client.get(NAMESPACE, "", name)) === undefined ? true : undefined;
    // Kubernetes looks at a namespace with pods again after half their grace period, which is
    // Knative's 300 s.
    await client.until(`namespace ${name} is gone`, gone, GRACE_MS);
    await client.apply(NAMESPACE, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  };
  const untilReason: World["untilReason"] = (at, type, reason, timeoutMs = READY_MS) =>
    client.until(
      `${type} of ${at.namespace}/${at.name} has the reason ${reason}`,
      async () => {
        const found = await isvc(at.namespace, at.name);
        const seen = condition(found?.status?.conditions, type);
        const current = seen?.observedGeneration === found?.metadata.generation;
        if (seen?.reason === reason && current) {
          return found;
        }
        throw new Error(`it is ${JSON.stringify(seen)}`);
      },
      timeoutMs,
    );
  const pods = (at: At) => labelled<ScheduledPod>(POD, at);
  return {
    cluster,
    client,
    kubectl,
    isvc,
    removeNamespace,
    untilReason,
    pods,
    namespace: replaceNamespace,
    applyFile: async (path, namespace) => {
      await kubectl("apply", "-n", namespace, "-f", join(ROOT, path));
    },
    apply: (namespace, object) =>
      client.apply(INFERENCE_SERVICE, { ...object, metadata: { ...object.metadata, namespace } }),
    untilUp: async (at) => {
      await untilReason(at, "LatestDeploymentReady", "RevisionReady");
      const isReady = async () => {
        const found = await isvc(at.namespace, at.name);
        return condition(found?.status?.conditions, "Ready")?.status === "True" ? found : undefined;
      };
      return client.until(`${at.namespace}/${at.name} is Ready`, isReady, READY_MS);
    },
    revisions: (at) => labelled<KnativeRevision>(KNATIVE_REVISION, at),
    untilPods: async (at, count, timeoutMs = GRACE_MS) => {
      const asked = async () => {
        const found = await pods(at);
        if (found.length === count) {
          return true;
        }
        throw new Error(`there are ${found.length}`);
      };
      await client.until(`${count} pods of ${at.namespace}/${at.name}`, asked, timeoutMs);
    },
    ask: (question) => ask(cluster, question),
    post: (at, path, body) => ask(cluster, { host: routeHost(at), path, body }),
    configure: async (name, data) => {
      await kubectl(
        "patch",
        "configmap",
        name,
        "-n",
        "knative-serving",
        "--type=merge",
        "-p",
        JSON.stringify({ data }),
      );
    },
  };
}

async function ask(cluster: Cluster, question: Question): Promise<Answer> {
  const { host, port } = cluster.ingress;
  const { path, body, headers } = question;
  const started = performance.now();
  const answer = await request(`http://${host}:${port}${path}`, {
    method: "POST",
    headers: { host: question.host, "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
    headersTimeout: READY_MS,
    bodyTimeout: READY_MS,
  });
  const text = await answer.body.text();
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: text,
    ms: performance.now() - started,
  };
}

/** Knative's default domain template with the cluster's domain. */
export function routeHost(at: At): string {
  return `${predictorServiceName(at.name)}.${at.namespace}.example.com`;
}

/** The JSON of an answer that must be 200. */
export function ok<T>(answer: Answer): T {
  assert.equal(answer.status, 200, `${answer.status}: ${answer.body}`);
  return JSON.parse(answer.body) as T;
}
