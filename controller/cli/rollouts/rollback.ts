/** `pilotlight rollback`: everything back to a revision that served before, by the spec alone. */
import type { InferenceService } from "../../api/inferenceservice.gen.ts";
import { KNATIVE_REVISION } from "../../api/kinds.ts";
import type { KnativeRevision } from "../../api/knative-revision.gen.ts";
import {
  ANNOTATION_STABLE_REVISION,
  LABEL_COMPONENT,
  LABEL_INFERENCE_SERVICE,
} from "../../api/names.ts";
import { objectPath } from "../../kube/paths.ts";
import { condition } from "../../observe/conditions.ts";
import { CliError, EXIT, parseFlags, type Command } from "../command.ts";
import { CLUSTER_HELP, CLUSTER_OPTIONS, type KubeAccess, withKube } from "../kube.ts";
import { kindOf, nameOf, readService } from "./target.ts";

const HELP = `Usage: pilotlight rollback NAME [--to REVISION] [FLAGS]

Gives all requests of an InferenceService's predictor back to the revision that served before: the
stable one while a canary or a rollout is under way, the one before that after a promotion. It sets
spec.predictor.canaryTrafficPercent to 0, as the field manager pilotlight-cli; nothing is built or
pulled anew, the old revision is still there. Repositories that GitOps applies need the same change.

      --to REVISION            another revision that still exists; the annotation
                               ${ANNOTATION_STABLE_REVISION} names it
${CLUSTER_HELP}  -h, --help                   this text

Exit codes: 0 the spec is changed; 1 there is nothing to go back to; 64 flags are wrong; 66 no
kubeconfig; 69 the cluster does not answer; 77 it denies it.

Examples:
  pilotlight rollback iris -n default
  pilotlight rollback iris --to iris-predictor-00003
`;

const FIELD_MANAGER = "pilotlight-cli";

export const rollbackCommand: Command = {
  help: HELP,
  async run(args, terminal) {
    const { values, positionals } = parseFlags({
      args: [...args],
      allowPositionals: true,
      options: {
        ...CLUSTER_OPTIONS,
        to: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
    const name = nameOf(positionals);
    const target = await withKube(values, async (kube) => {
      const isvc = await readService(kube, name);
      const revision = values.to ?? before(isvc);
      await checkRevision(kube, name, revision);
      await patch(kube, isvc, values.to);
      return revision;
    });
    terminal.out(`${name}: everything goes to ${target}\n`);
    terminal.err(advice(values.to));
    return EXIT.ok;
  },
};

/** Where a share of 0 leads. @throws CliError 1 when nothing served before. */
function before({ metadata, status }: InferenceService): string {
  const { latestRolledoutRevision, latestCreatedRevision, previousRolledoutRevision } =
    status?.components?.predictor ?? {};
  const target =
    latestRolledoutRevision === latestCreatedRevision
      ? previousRolledoutRevision
      : latestRolledoutRevision;
  if (target === undefined) {
    throw new CliError(EXIT.no, `no revision of ${metadata.name} served before the present one`);
  }
  return target;
}

/** @throws CliError 1 when the revision is gone, of somebody else, or cannot serve. */
async function checkRevision(kube: KubeAccess, name: string, revision: string): Promise<void> {
  const found = await kube.get<KnativeRevision>(KNATIVE_REVISION, kube.namespace, revision);
  const labels = found?.metadata.labels;
  const component = labels?.[LABEL_COMPONENT] ?? "predictor";
  if (found === undefined || labels?.[LABEL_INFERENCE_SERVICE] !== name) {
    const advice = `pilotlight history ${name} lists those that there were`;
    throw new CliError(EXIT.no, `${name} has no revision ${revision} (any more); ${advice}`);
  }
  if (component !== "predictor") {
    throw new CliError(
      EXIT.no,
      `revision ${revision} is the ${component}'s; the predictor goes back to one of its own`,
    );
  }
  const ready = condition(found.status?.conditions, "Ready");
  if (ready?.status === "False") {
    throw new CliError(EXIT.no, `revision ${revision} cannot serve: ${ready.message ?? ""}`);
  }
}

async function patch(
  kube: KubeAccess,
  isvc: InferenceService,
  to: string | undefined,
): Promise<void> {
  await kube.http.json({
    method: "PATCH",
    path: objectPath(kindOf(isvc), kube.namespace, isvc.metadata.name),
    query: { fieldManager: FIELD_MANAGER },
    contentType: "application/merge-patch+json",
    body: {
      // A name that an earlier rollback left behind would win over the one before.
      metadata: { annotations: { [ANNOTATION_STABLE_REVISION]: to ?? null } },
      spec: { predictor: { canaryTrafficPercent: 0 } },
    },
  });
}

function advice(to: string | undefined): string {
  const annotation =
    to === undefined ? "" : ` and the annotation ${ANNOTATION_STABLE_REVISION}: ${to}`;
  return (
    `spec.predictor.canaryTrafficPercent is 0 now. What GitOps applies needs that${annotation} as well, or it undoes this.\n` +
    `To serve the newest revision again, remove canaryTrafficPercent${to === undefined ? "" : " and the annotation"}.\n`
  );
}
