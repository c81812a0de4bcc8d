/** `pilotlight check`: what would keep InferenceServices from serving, before they are applied. */
import { accountSecrets, type AccountReader } from "../../account-secrets.ts";
import type { InferenceService } from "../../api/inferenceservice.gen.ts";
import type { ServingRuntime } from "../../api/servingruntime.gen.ts";
import type { Config } from "../../config.ts";
import { readCaptured, type KnownCluster } from "../captured.ts";
import { EXIT, noMoreThan, parseFlags, type Command } from "../command.ts";
import { FILENAME_OPTION, readManifests, type ReadManifests } from "../input.ts";
import { findInstallation } from "../installation.ts";
import { CLUSTER_HELP, CLUSTER_OPTIONS, withKube } from "../kube.ts";
import type { Manifest } from "../manifest.ts";
import { parseFormat, printed } from "../output.ts";
import { inNamespace, runtimesOf } from "../render/command.ts";
import { readSettings, SETTINGS_HELP, SETTINGS_OPTIONS } from "../settings.ts";
import { beside, firstOf } from "./accounts.ts";
import { accountsOf, askCluster, askRuntimes, dryRun, missingKinds } from "./cluster.ts";
import { preflightFindings, verdictText, type Finding, type Verdict } from "./verdict.ts";

const HELP = `Usage: pilotlight check -f FILE... [FLAGS]

Says what would keep the InferenceServices of the manifests from serving, before they are applied:
what the controller would refuse, with the command that allows it, what its warnings would be, what
no node offers, and what the API server itself says to a dry run. It changes nothing.

  -f, --filename FILE          manifest with one or several InferenceServices; - is standard input;
                               may be repeated
      --config PATH            ask no cluster, but what was saved of one: a file, or a folder of
                               files, that hold what kubectl get configmaps -n knative-serving -o
                               yaml (and kubectl get nodes -o yaml) printed
  -o, --output text|yaml|json  lines for people, or an object with a list of verdicts (text)
${CLUSTER_HELP}${SETTINGS_HELP}  -h, --help                   this text

Exit codes: 0 no obstacle (there may be warnings); 1 an obstacle; 64 flags, 65 manifest or
configuration is wrong; 66 a file is not there; 69 the cluster does not answer; 77 it denies access.

Examples:
  pilotlight check -f examples/iris/isvc.yaml
  kustomize build overlays/prod | pilotlight check -f - --config captured/ -o json
`;

export const checkCommand: Command = {
  help: HELP,
  async run(args, terminal) {
    const { values, positionals } = parseFlags({
      args: [...args],
      allowPositionals: true,
      options: {
        ...FILENAME_OPTION,
        ...SETTINGS_OPTIONS,
        ...CLUSTER_OPTIONS,
        output: { type: "string", short: "o", default: "text" },
        config: { type: "string", multiple: true },
        help: { type: "boolean", short: "h" },
      },
    });
    noMoreThan(0, positionals, "a manifest is given with -f");
    const format = parseFormat(values.output, ["text", "yaml", "json"]);
    const settings = readSettings(values);
    const { notices, ...given } = readManifests(
      values.filename,
      findInstallation(import.meta.url).root,
    );
    for (const notice of notices) {
      terminal.err(`pilotlight check: ${notice}\n`);
    }
    const verdicts =
      values.config === undefined
        ? await checkCluster(given, values, settings)
        : await checkCaptured(given, values, settings);
    const ok = verdicts.every((verdict) => verdict.ok);
    terminal.out(
      format === "text"
        ? verdicts.map(verdictText).join("")
        : printed(format, { ok, inferenceServices: verdicts }),
    );
    return ok ? EXIT.ok : EXIT.no;
  },
};

interface Flags {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace?: string | undefined;
  readonly config?: readonly string[] | undefined;
}

type Given = Omit<ReadManifests, "notices">;

async function checkCaptured(
  { manifests, runtimes, accounts }: Given,
  { config = [], namespace }: Flags,
  settings: Config,
): Promise<readonly Verdict[]> {
  const known = readCaptured(config, settings.knativeNamespace);
  const reader = beside(accounts);
  const verdicts: Verdict[] = [];
  for (const manifest of manifests) {
    const isvc = inNamespace(manifest.isvc, namespace);
    const findings = await preflight(isvc, { known, settings, runtimes, reader });
    verdicts.push(verdict(manifest, isvc, findings));
  }
  return verdicts;
}

function checkCluster(
  { manifests, runtimes, accounts }: Given,
  flags: Flags,
  settings: Config,
): Promise<readonly Verdict[]> {
  return withKube(flags, async (kube) => {
    const missing = await missingKinds(kube);
    const known = await askCluster(kube, settings.knativeNamespace);
    // What the manifests bring along will be there by then.
    const reader = firstOf(beside(accounts), accountsOf(kube));
    const installed = !missing.some(({ reason }) => reason === "PilotlightNotInstalled");
    const verdicts: Verdict[] = [];
    for (const manifest of manifests) {
      const isvc = inNamespace(manifest.isvc, kube.namespace);
      const { namespace = kube.namespace } = isvc.metadata;
      const said = installed ? await dryRun(kube, isvc, namespace) : [];
      const served = [...runtimes, ...(await askRuntimes(kube, namespace))];
      const own = await preflight(isvc, { known, settings, runtimes: served, reader });
      verdicts.push(verdict(manifest, isvc, [...missing, ...said, ...own]));
    }
    return verdicts;
  });
}

interface Sources {
  readonly known: KnownCluster;
  readonly settings: Config;
  /** Of all namespaces that were looked into. */
  readonly runtimes: readonly ServingRuntime[];
  readonly reader: AccountReader;
}

async function preflight(
  isvc: InferenceService,
  { known, settings, runtimes, reader }: Sources,
): Promise<readonly Finding[]> {
  return preflightFindings(isvc, {
    known,
    settings,
    runtimes: runtimesOf(runtimes, isvc),
    accountSecrets: await accountSecrets(reader, isvc),
  });
}

function verdict(
  manifest: Manifest,
  isvc: InferenceService,
  findings: readonly Finding[],
): Verdict {
  return {
    name: isvc.metadata.name,
    ...(isvc.metadata.namespace === undefined ? {} : { namespace: isvc.metadata.namespace }),
    where: manifest.where([]),
    ok: findings.every(({ severity }) => severity === "warning"),
    findings,
  };
}
