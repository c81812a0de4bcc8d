/** Whether KServe's group may be served: not where KServe itself is installed. */
import { KSERVE_GROUP } from "./api/kserve.ts";
import type { Kind, KubeObject } from "./cluster.ts";
import { ApiError, isNotFound } from "./kube/errors.ts";
import type { KubeHttp } from "./kube/http.ts";
import { objectPath } from "./kube/paths.ts";

const DEFINITION: Kind = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  namespaced: false,
};
const NAME = `inferenceservices.${KSERVE_GROUP}`;

/**
 * Why not, in a sentence; undefined when the definition is ours, or when a controller without a
 * right to see it cannot know.
 * @throws the transport's error when the API server did not answer.
 */
export async function kserveHindrance(http: KubeHttp): Promise<string | undefined> {
  try {
    const path = objectPath(DEFINITION, "", NAME);
    const found = await http.json<KubeObject>({ method: "GET", path });
    return found.metadata.labels?.["app.kubernetes.io/part-of"] === "pilotlight"
      ? undefined
      : `KSERVE_COMPATIBILITY is true, but the definition ${NAME} is not Pilotlight's: KServe is installed, and two controllers would undo each other's work. ` +
          `Uninstall KServe first, or set compatibility.kserve=false in the chart's values and use pilotlight.dev`;
  } catch (error) {
    if (isNotFound(error)) {
      return `KSERVE_COMPATIBILITY is true, but there is no definition ${NAME}: the chart installs it with compatibility.kserve=true and crds.install=true`;
    }
    if (error instanceof ApiError && error.status === 403) {
      return undefined;
    }
    throw error;
  }
}
