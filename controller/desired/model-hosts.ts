/**
 * Hosts that models may come from: the installation's rules, as environment of whoever fetches a
 * model. The predictor holds to them (docs/storage.md); a container of the user's own need not.
 */
import type { KnativeServiceContainer } from "../api/knative-service.gen.ts";
import { byKey } from "./runtime-container.ts";

export interface ModelHosts {
  /** All when empty. */
  readonly allowed: readonly string[];
  readonly denied: readonly string[];
}

/** A name, or everything below one; an address as well. */
export const HOST = /^(\*\.)?[A-Za-z0-9_:]([A-Za-z0-9_.:-]*[A-Za-z0-9_:])?$/;

type Env = NonNullable<KnativeServiceContainer["env"]>;

/** `env` with the rules, whatever it says about them itself: they are not the user's to change. */
export function withModelHosts(env: Env | undefined, hosts: ModelHosts | undefined): Env {
  const rules = [
    { name: "ALLOWED_HOSTS", value: hosts?.allowed.join(",") ?? "" },
    { name: "DENIED_HOSTS", value: hosts?.denied.join(",") ?? "" },
  ].filter(({ value }) => value !== "");
  return byKey("name", env, rules) as unknown as Env;
}
