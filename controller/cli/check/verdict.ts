/** What speaks against an InferenceService on a cluster. Pure. */
import type { InferenceService } from "../../api/inferenceservice.gen.ts";
import type { Config } from "../../config.ts";
import type { ListedSecret } from "../../desired/account-secrets.ts";
import { desired } from "../../desired/desired.ts";
import { shortage } from "../../desired/nodes.ts";
import { isRefusal } from "../../desired/refusal.ts";
import type { Runtime } from "../../desired/runtimes.ts";
import type { KnownCluster } from "../captured.ts";

export interface Finding {
  /** An obstacle keeps it from serving; a warning does not. */
  readonly severity: "obstacle" | "warning";
  readonly reason: string;
  readonly message: string;
}

/** What was found about one InferenceService. */
export interface Verdict {
  readonly name: string;
  readonly namespace?: string;
  /** `file:line:column` of the manifest. */
  readonly where: string;
  /** Whether there is no obstacle. */
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

/** What an InferenceService would meet. */
export interface Ground {
  readonly known: KnownCluster;
  readonly settings: Config;
  /** Beside those that are built in. */
  readonly runtimes: readonly Runtime[];
  /** Of its service account, where they count. */
  readonly accountSecrets: readonly ListedSecret[];
}

/** The controller's own decision, and what the nodes lack. */
export function preflightFindings(
  isvc: InferenceService,
  { known: { facts, nodes }, settings, runtimes, accountSecrets }: Ground,
): readonly Finding[] {
  const wanted = desired({
    isvc,
    facts,
    defaults: settings.predictor,
    runtimes: [...runtimes, ...settings.runtimes.builtIn],
    accountSecrets,
  });
  if (isRefusal(wanted)) {
    return [{ severity: "obstacle", reason: wanted.reason, message: wanted.message }];
  }
  const lacking = Object.entries(wanted.services).flatMap(([component, service]): Finding[] => {
    const pod = service?.spec?.template?.spec;
    const lack = nodes && pod && shortage(pod, nodes);
    return lack === undefined || lack.possible
      ? []
      : [
          {
            severity: "warning",
            reason: "NoNodeOffers",
            message: `spec.${component}: ${lack.message}`,
          },
        ];
  });
  return [
    ...wanted.warnings.map((warning): Finding => ({ severity: "warning", ...warning })),
    ...lacking,
  ];
}

/** A line for each finding, or that there is none. */
export function verdictText({ name, namespace, where, findings }: Verdict): string {
  const who = namespace === undefined ? name : `${namespace}/${name}`;
  return findings.length === 0
    ? `${where}: ${who}: ok\n`
    : findings
        .map(
          ({ severity, reason, message }) =>
            `${where}: ${who}: ${severity}: ${reason}: ${message}\n`,
        )
        .join("");
}
