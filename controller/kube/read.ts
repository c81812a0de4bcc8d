/** Live reads of one object: what isn't there is undefined, not an error. */
import type { Kind, KubeObject, ObjectMeta } from "../cluster.ts";
import { isNotFound } from "./errors.ts";
import type { KubeHttp } from "./http.ts";
import { objectPath } from "./paths.ts";

/** Without it the API server would send the whole object; it answers 406 where it can't. */
const METADATA_TYPE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

type Http = Pick<KubeHttp, "json">;

/** @throws ApiError but for 404, or a transport's error. */
export async function readObject<T extends KubeObject>(
  http: Http,
  path: string,
  how: { readonly accept?: string } = {},
): Promise<T | undefined> {
  try {
    return await http.json<T>({ method: "GET", path, ...how });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The metadata alone; of a Secret, no content travels. @throws as readObject. */
export async function readMetadata(
  http: Http,
  kind: Kind,
  namespace: string,
  name: string,
): Promise<ObjectMeta | undefined> {
  const how = { accept: METADATA_TYPE };
  return (await readObject(http, objectPath(kind, namespace, name), how))?.metadata;
}
