/** The Secrets that a service account lists, with the annotations that say where a store is. */
import type { InferenceService } from "./api/inferenceservice.gen.ts";
import { SECRET, SERVICE_ACCOUNT } from "./api/kinds.ts";
import type { Cluster, KubeObject, ObjectMeta } from "./cluster.ts";
import {
  credentialsAccount,
  listedSecrets,
  type ListedSecret,
  type ServiceAccount,
} from "./desired/account-secrets.ts";
import { isForbidden } from "./kube/errors.ts";

/** Who is asked: the controller's cache and API server, or a command's API server alone. */
export interface AccountReader {
  account(
    namespace: string,
    name: string,
  ): ServiceAccount | undefined | Promise<ServiceAccount | undefined>;
  /** Metadata alone: the contents of a Secret are never asked for. */
  secretMetadata(namespace: string, name: string): Promise<ObjectMeta | undefined>;
}

/** Service accounts from the cache, Secrets by asking. */
export function readerOf(cluster: Cluster): AccountReader {
  return {
    account: (...where) => cluster.get<KubeObject & ServiceAccount>(SERVICE_ACCOUNT, ...where),
    secretMetadata: (...where) => cluster.readMetadata(SECRET, ...where),
  };
}

/**
 * Those that count for `isvc`, in the account's order.
 * @throws ApiError but for 403 of a Secret, or a transport's error.
 */
export async function accountSecrets(
  reader: AccountReader,
  isvc: InferenceService,
): Promise<readonly ListedSecret[]> {
  const { namespace = "" } = isvc.metadata;
  const name = credentialsAccount(isvc);
  const account = name === undefined ? undefined : await reader.account(namespace, name);
  return account === undefined
    ? []
    : Promise.all(
        listedSecrets(account).map(async (secret) => ({
          name: secret,
          annotations: await annotationsOf(reader, namespace, secret),
        })),
      );
}

async function annotationsOf(
  reader: AccountReader,
  namespace: string,
  name: string,
): Promise<ListedSecret["annotations"]> {
  try {
    return (await reader.secretMetadata(namespace, name))?.annotations ?? {};
  } catch (error) {
    if (isForbidden(error)) {
      return undefined;
    }
    throw error;
  }
}
