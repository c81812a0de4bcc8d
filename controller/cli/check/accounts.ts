/** Service accounts and Secrets of several sources. */
import type { AccountReader } from "../../account-secrets.ts";
import { findAmong } from "../../desired/account-secrets.ts";
import type { Manifests } from "../manifest.ts";

/** Those that stand in the manifests. */
export function beside(accounts: Manifests["accounts"]): AccountReader {
  return {
    account: (...where) => findAmong(accounts, "ServiceAccount", ...where),
    secretMetadata: async (...where) => findAmong(accounts, "Secret", ...where)?.metadata,
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
