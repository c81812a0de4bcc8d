/**
 * What Knative and the kubelet say of one predictor, step by step, as it was seen on a cluster: the
 * statuses of the Knative Service `default/iris-predictor`, of its revisions and of their pods.
 */
import { KNATIVE_REVISION, KNATIVE_SERVICE, POD } from "../../controller/api/kinds.ts";
import type { KnativeService } from "../../controller/api/knative-service.gen.ts";
import type { Pod } from "../../controller/observe/pods.ts";
import type { MemoryCluster } from "./memory-cluster.ts";

export const SERVICE = "iris-predictor";
const LABELS = {
  "pilotlight.dev/inferenceservice": "iris",
  "pilotlight.dev/component": "predictor",
};
const URL = "http://iris-predictor.default.example.com";

type Word = "True" | "False" | "Unknown";

/** `Type` or `Type=Word` or `Type=Word/Reason/message`. */
function conditions(...texts: readonly string[]) {
  return texts.map((text) => {
    const [type = "", said = "True"] = text.split("=");
    const [status, reason, message] = said.split("/");
    return {
      type,
      status: status as Word,
      ...(reason === undefined ? {} : { reason }),
      ...(message === undefined ? {} : { message }),
    };
  });
}

export class PlayedKnative {
  readonly #cluster: MemoryCluster;

  constructor(cluster: MemoryCluster) {
    this.#cluster = cluster;
  }

  /** As they stand on the revisions and the pods of the service that there is. */
  get #labels(): Readonly<Record<string, string>> {
    const uid = this.service?.metadata.uid;
    return { ...LABELS, ...(uid === undefined ? {} : { "serving.knative.dev/serviceUID": uid }) };
  }

  get service(): KnativeService | undefined {
    return this.#cluster.get<KnativeService>(KNATIVE_SERVICE, "default", SERVICE);
  }

  /** What Knative says of the service; `seen` is whether of its present generation. */
  say(
    status: Readonly<Record<string, unknown>>,
    words: readonly string[],
    { seen = true }: { readonly seen?: boolean } = {},
  ): void {
    const service = this.service;
    if (service === undefined) {
      throw new Error(`there is no ${SERVICE}`);
    }
    const { generation = 1 } = service.metadata;
    const before = service.status;
    const observedGeneration = seen ? generation : before?.observedGeneration;
    this.#cluster.put({
      ...service,
      status: { ...before, observedGeneration, ...status, conditions: conditions(...words) },
    } as KnativeService);
  }

  /** It serves: everything, or by shares. */
  serve(newest: string, shares: Readonly<Record<string, number>> = { [newest]: 100 }): void {
    const traffic = Object.entries(shares).map(([revisionName, percent]) => ({
      revisionName,
      percent,
      latestRevision: revisionName === newest,
    }));
    const names = { latestCreatedRevisionName: newest, latestReadyRevisionName: newest };
    this.say({ ...names, traffic, url: URL, address: { url: URL } }, [
      "Ready",
      "RoutesReady",
      "ConfigurationsReady",
    ]);
  }

  revision(name: string, ...words: readonly string[]): void {
    this.#cluster.put({
      ...KNATIVE_REVISION,
      metadata: { name, namespace: "default", labels: this.#labels },
      status: { conditions: conditions(...words) },
    } as never);
  }

  pod(name: string, revision: string, status: Pod["status"], extra: object = {}): void {
    const { apiVersion, kind } = POD;
    const pod: Pod = {
      apiVersion,
      kind,
      metadata: {
        name,
        namespace: "default",
        uid: `uid-${name}`,
        creationTimestamp: "2026-11-22T12:00:00Z",
        labels: { ...this.#labels, "serving.knative.dev/revision": revision },
        ...extra,
      },
      ...(status === undefined ? {} : { status }),
    };
    this.#cluster.put(pod);
  }

  async gone(name: string): Promise<void> {
    await this.#cluster.remove(POD, {
      ...POD,
      metadata: { name, namespace: "default" },
    });
  }
}
