/**
 * Which hosts models may come from, by the word of whoever runs the installation. Addresses are
 * address-guard.ts's matter: this is about names, as a request or a redirect writes them, and it
 * holds for configured endpoints too: who may write a storage URI may often set those as well.
 */
import { StorageError } from "./storage-error.ts";

export interface HostRules {
  /** All when empty. */
  readonly allowed: readonly string[];
  /** Wins over `allowed`. */
  readonly denied: readonly string[];
}

type Variables = Readonly<Record<string, string | undefined>>;

/** A name, or everything below one. The colons are of IPv6. */
const PATTERN = /^(\*\.)?[a-z0-9_:]([a-z0-9_.:-]*[a-z0-9_:])?$/;

/**
 * ALLOWED_HOSTS and DENIED_HOSTS: names between commas, `*.example.com` being all below
 * example.com. Throws StorageError "misconfigured" for what is no name: a rule that matches nothing
 * would be taken for one that protects.
 */
export function parseHostRules(environment: Variables): HostRules {
  return {
    allowed: parse(environment, "ALLOWED_HOSTS"),
    denied: parse(environment, "DENIED_HOSTS"),
  };
}

/** Throws StorageError "misconfigured" for a host that the rules leave out. */
export function checkHostRules({ hostname }: URL, { allowed, denied }: HostRules): void {
  const name = normalised(hostname);
  const denial = denied.find((pattern) => matches(name, pattern));
  if (denial !== undefined) throw refused(name, `DENIED_HOSTS has ${denial}`);
  if (allowed.length === 0 || allowed.some((pattern) => matches(name, pattern))) return;
  throw refused(name, `ALLOWED_HOSTS has ${allowed.join(", ")}`);
}

function matches(name: string, pattern: string): boolean {
  return pattern.startsWith("*.") ? name.endsWith(pattern.slice(1)) : name === pattern;
}

/** As URLs have it, without what makes two names of one host. */
function normalised(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");
}

function parse(environment: Variables, variable: string): readonly string[] {
  const given = (environment[variable] ?? "").split(",").map((each) => each.trim());
  return given.filter(Boolean).map((text) => {
    const pattern = normalised(text);
    if (PATTERN.test(pattern)) return pattern;
    const remedy = "write names without scheme, port and path, or *.example.com for all below one";
    throw new StorageError("misconfigured", `${variable}: "${text}" is no host; ${remedy}`);
  });
}

function refused(host: string, why: string): StorageError {
  return new StorageError(
    "misconfigured",
    `${host} is not fetched from: ${why}; ask who runs the installation, or take the model from elsewhere`,
  );
}
