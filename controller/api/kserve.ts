/**
 * KServe's own group, for manifests and clients that know no other. With compatibility.kserve its
 * kinds are served like ours: the same schema under another name.
 */
import type { Kind } from "../cluster.ts";
import { INFERENCE_SERVICE } from "./kinds.ts";

export const KSERVE_GROUP = "serving.kserve.io";
/**
 * On the pods of an InferenceService of that group, beside our own: what KServe's tools look for.
 */
export const LABEL_KSERVE_INFERENCE_SERVICE = `${KSERVE_GROUP}/inferenceservice`;
export const LABEL_KSERVE_COMPONENT = "component";

/** Replicas of a component that names none: KServe's users expect that one stays. */
export const KSERVE_MIN_REPLICAS = 1;

/** A kind of ours in KServe's group. */
export function kserveKind(kind: Kind): Kind {
  const [, version = ""] = kind.apiVersion.split("/");
  return { ...kind, apiVersion: `${KSERVE_GROUP}/${version}` };
}

/**
 * The kinds of InferenceServices that are served: where both have one of a name, ours goes first.
 */
export function inferenceServiceKinds(kserve: boolean): readonly Kind[] {
  return kserve ? [INFERENCE_SERVICE, kserveKind(INFERENCE_SERVICE)] : [INFERENCE_SERVICE];
}

/** Whether an object is of KServe's group. */
export function isOfKServe({ apiVersion }: { readonly apiVersion: string }): boolean {
  return apiVersion.startsWith(`${KSERVE_GROUP}/`);
}
