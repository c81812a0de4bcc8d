/** Service accounts and Secrets of several sources. */
import type { AccountReader } from "../../account-secrets.ts";
import type { Manifests } from "../manifest.ts";

type Found = Manifests["accounts"][number];

/** Those that stand in the manifests; one without a namespace is in that of whoever asks. */
export function beside(accounts: readonly Found[]): AccountReader {
  const find = (kind: string, namespace: string, name: string): Found | undefined =>
    accounts.find(
      ({ kind: its, metadata }) =>
        its === kind && metadata.name === name && (metadata.namespace ?? namespace) === namespace,
    );
  return {
    account: (...where) => find("ServiceAccount", ...where),
    secretMetadata: (...where) => Promise.resolve(find("Secret", ...where)?.metadata),
  };
}

/** Each is asked for what those before it do not have. */
export function firstOf(...readers: readonly AccountReader[]): AccountReader {
  const first = async <T>(
    ask: (reader: AccountReader) => T | undefined | Promise<T | undefined>,
  ): Promise<T | undefined> => {
    for (const reader of readers) {
      const found = await ask(reader);
      if (found !== undefined) {
        return found;
      }
    }
    return undefined;
  };
  return {
    account: (...where) => first((reader) => reader.account(...where)),
    secretMetadata: (...where) => first((reader) => reader.secretMetadata(...where)),
  };
}
