/** The Secrets that a service account lists: names from the cache, annotations by asking. */
import type { InferenceService } from "./api/inferenceservice.gen.ts";
import { SECRET, SERVICE_ACCOUNT } from "./api/kinds.ts";
import type { Cluster, KubeObject } from "./cluster.ts";
import {
  credentialsAccount,
  listedSecrets,
  type ListedSecret,
  type ServiceAccount,
} from "./desired/account-secrets.ts";
import { isForbidden } from "./kube/errors.ts";

/**
 * In the account's order. Their contents are never asked for: the API server sends metadata alone.
 * @throws ApiError but for 403, or a transport's error.
 */
export async function accountSecrets(
  cluster: Cluster,
  isvc: InferenceService,
): Promise<readonly ListedSecret[]> {
  const { namespace = "" } = isvc.metadata;
  const name = credentialsAccount(isvc);
  const account =
    name === undefined
      ? undefined
      : cluster.get<KubeObject & ServiceAccount>(SERVICE_ACCOUNT, namespace, name);
  return account === undefined
    ? []
    : Promise.all(
        listedSecrets(account).map(async (secret) => ({
          name: secret,
          annotations: await annotationsOf(cluster, namespace, secret),
        })),
      );
}

async function annotationsOf(
  cluster: Cluster,
  namespace: string,
  name: string,
): Promise<ListedSecret["annotations"]> {
  try {
    return (await cluster.readMetadata(SECRET, namespace, name))?.annotations ?? {};
  } catch (error) {
    if (isForbidden(error)) {
      return undefined;
    }
    throw error;
  }
}
