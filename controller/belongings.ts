/** What Knative made of an InferenceService's Knative Services, from the cache. */
import type { InferenceService } from "./api/inferenceservice.gen.ts";
import { KNATIVE_REVISION, POD } from "./api/kinds.ts";
import type { KnativeRevision } from "./api/knative-revision.gen.ts";
import type { KnativeService } from "./api/knative-service.gen.ts";
import { LABEL_INFERENCE_SERVICE, LABEL_SERVICE_UID, type PerComponent } from "./api/names.ts";
import type { Cache, Kind, KubeObject } from "./cluster.ts";
import type { Pod } from "./observe/pods.ts";

export interface Belongings {
  readonly revisions: readonly KnativeRevision[];
  readonly pods: readonly Pod[];
}

/**
 * Those of `services`. An InferenceService that is deleted and made again has its predecessor's
 * name, and so have its revisions, until the garbage collector has taken what was there: their
 * trouble is not its own (F19).
 */
export function belongings(
  cluster: Cache,
  { metadata: { namespace = "", name } }: InferenceService,
  services: PerComponent<KnativeService>,
): Belongings {
  const uids = new Set(Object.values(services).map(({ metadata }) => metadata.uid));
  const of = <T extends KubeObject>(kind: Kind): readonly T[] =>
    cluster.labelled<T>(kind, namespace, LABEL_INFERENCE_SERVICE, name).filter(({ metadata }) => {
      const uid = metadata.labels?.[LABEL_SERVICE_UID];
      return uid === undefined || uids.has(uid);
    });
  return { revisions: of<KnativeRevision>(KNATIVE_REVISION), pods: of<Pod>(POD) };
}
