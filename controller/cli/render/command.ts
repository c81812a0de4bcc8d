/** `pilotlight render`: what the controller would apply, without a cluster. */
import type { InferenceService } from "../../api/inferenceservice.gen.ts";
import { ANNOTATION_RUNTIME } from "../../api/names.ts";
import type { ServingRuntime } from "../../api/servingruntime.gen.ts";
import type { KubeObject } from "../../cluster.ts";
import { listedAmong } from "../../desired/account-secrets.ts";
import { desired } from "../../desired/desired.ts";
import { isRefusal } from "../../desired/refusal.ts";
import type { Runtime } from "../../desired/runtimes.ts";
import { asRuntime } from "../../runtimes.ts";
import { readCaptured } from "../captured.ts";
import { CliError, EXIT, noMoreThan, parseFlags, type Command } from "../command.ts";
import { FILENAME_OPTION, readManifests } from "../input.ts";
import { findInstallation } from "../installation.ts";
import { parseFormat, printedObjects } from "../output.ts";
import { readSettings, SETTINGS_HELP, SETTINGS_OPTIONS } from "../settings.ts";

const HELP = `Usage: pilotlight render -f FILE... [FLAGS]

Prints the Knative Services that the controller would apply for the InferenceServices of the
manifests, for repositories that hold rendered manifests. It asks no cluster. ServingRuntimes and
ClusterServingRuntimes in the manifests are used, and for services of KServe's group the Secrets that
their ServiceAccounts list. What belongs to the controller's own work is left
out: the owner reference, the digest of its wish and its note of the runtime.

  -f, --filename FILE          manifest with one or several InferenceServices; - is standard input;
                               may be repeated
  -o, --output yaml|json       documents, or one object or List (yaml)
  -n, --namespace NAME         namespace of what names none; without it, that stays open
      --config PATH            what the cluster allows: a file, or a folder of files, that hold what
                               kubectl get configmaps -n knative-serving -o yaml printed; without
                               it, nothing is refused for the cluster's sake
${SETTINGS_HELP}  -h, --help                   this text

Exit codes: 0 printed; 1 something was refused, and nothing is printed; 64 flags, 65 manifest or
configuration is wrong; 66 a file is not there.

Examples:
  pilotlight render -f examples/iris/isvc.yaml
  kustomize build overlays/prod | pilotlight render -f - --config captured/ > rendered.yaml
`;

export const renderCommand: Command = {
  help: HELP,
  run(args, terminal) {
    const { values, positionals } = parseFlags({
      args: [...args],
      allowPositionals: true,
      options: {
        ...FILENAME_OPTION,
        ...SETTINGS_OPTIONS,
        output: { type: "string", short: "o", default: "yaml" },
        namespace: { type: "string", short: "n" },
        config: { type: "string", multiple: true },
        help: { type: "boolean", short: "h" },
      },
    });
    noMoreThan(0, positionals, "a manifest is given with -f");
    const format = parseFormat(values.output, ["yaml", "json"]);
    const settings = readSettings(values);
    const { manifests, runtimes, accounts, notices } = readManifests(
      values.filename,
      findInstallation(import.meta.url).root,
    );
    const { facts } = readCaptured(values.config ?? [], settings.knativeNamespace);
    for (const notice of notices) {
      terminal.err(`pilotlight render: ${notice}\n`);
    }
    const objects: KubeObject[] = [];
    const refusals: string[] = [];
    for (const manifest of manifests) {
      const isvc = inNamespace(manifest.isvc, values.namespace);
      const wanted = desired({
        isvc,
        facts,
        defaults: settings.predictor,
        runtimes: [...runtimesOf(runtimes, isvc), ...settings.runtimes.builtIn],
        accountSecrets: listedAmong(isvc, accounts),
      });
      if (isRefusal(wanted)) {
        refusals.push(
          `${manifest.where([])}: ${isvc.metadata.name}: ${wanted.reason}: ${wanted.message}`,
        );
      } else {
        objects.push(...Object.values(wanted.services).map(rendered));
      }
    }
    if (refusals.length > 0) {
      throw new CliError(EXIT.no, ["refused:", ...refusals].join("\n  "));
    }
    terminal.out(printedObjects(format, objects));
    return Promise.resolve(EXIT.ok);
  },
};

/** Those of the manifests that could serve `isvc`: its namespace's, and the cluster's. */
export function runtimesOf(
  runtimes: readonly ServingRuntime[],
  isvc: InferenceService,
): readonly Runtime[] {
  const { namespace } = isvc.metadata;
  return runtimes
    .filter(({ metadata }) => (metadata.namespace ?? namespace) === namespace)
    .map(asRuntime);
}

/** With the namespace that kubectl would put it into, where it names none itself. */
export function inNamespace(
  isvc: InferenceService,
  namespace: string | undefined,
): InferenceService {
  return isvc.metadata.namespace !== undefined || namespace === undefined
    ? isvc
    : { ...isvc, metadata: { ...isvc.metadata, namespace } };
}

/** Without the owner, which only a live object has, and without what only the controller reads. */
function rendered(object: KubeObject): KubeObject {
  const { ownerReferences: _owner, annotations = {}, ...metadata } = object.metadata;
  const { [ANNOTATION_RUNTIME]: _runtime, ...kept } = annotations;
  return { ...object, metadata: { ...metadata, annotations: kept } };
}
