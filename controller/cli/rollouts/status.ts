/** `pilotlight status`: all that there is to know about one InferenceService, for people. */
import type {
  ComponentStatus,
  InferenceService,
  InferenceServiceStatus,
} from "../../api/inferenceservice.gen.ts";
import { POD } from "../../api/kinds.ts";
import { LABEL_INFERENCE_SERVICE, LABEL_REVISION } from "../../api/names.ts";
import { condition } from "../../observe/conditions.ts";
import { livePods, type Pod } from "../../observe/pods.ts";
import { revisionTrouble } from "../../observe/trouble.ts";
import { EXIT, parseFlags, type Command } from "../command.ts";
import { CLUSTER_HELP, CLUSTER_OPTIONS, type KubeAccess, withKube } from "../kube.ts";
import { parseFormat, printed, table } from "../output.ts";
import { nameOf, readService } from "./target.ts";

const HELP = `Usage: pilotlight status NAME [FLAGS]

Says how an InferenceService is: its conditions, who gets which share of the requests, where a
rollout is, its pods, and what keeps those that are not ready from being so.

  -o, --output text|yaml|json  for people, or the status for machines (text)
${CLUSTER_HELP}  -h, --help                   this text

Exit codes: 0 it is ready; 1 it is not, or there is none of this name; 64 flags are wrong; 66 no
kubeconfig; 69 the cluster does not answer; 77 it denies it.

Example:
  pilotlight status iris -n default
`;

export const statusCommand: Command = {
  help: HELP,
  async run(args, terminal) {
    const { values, positionals } = parseFlags({
      args: [...args],
      allowPositionals: true,
      options: {
        ...CLUSTER_OPTIONS,
        output: { type: "string", short: "o", default: "text" },
        help: { type: "boolean", short: "h" },
      },
    });
    const name = nameOf(positionals);
    const format = parseFormat(values.output, ["text", "yaml", "json"]);
    const { isvc, pods } = await withKube(values, async (kube) => ({
      isvc: await readService(kube, name),
      pods: format === "text" ? await readPods(kube, name) : [],
    }));
    terminal.out(format === "text" ? described(isvc, pods) : printed(format, isvc.status ?? {}));
    const { status, metadata } = isvc;
    const ready = condition(status?.conditions, "Ready")?.status === "True";
    const current = status?.observedGeneration === metadata.generation;
    return ready && current ? EXIT.ok : EXIT.no;
  },
};

async function readPods(kube: KubeAccess, name: string): Promise<readonly Pod[]> {
  return kube.list<Pod>(POD, kube.namespace, `${LABEL_INFERENCE_SERVICE}=${name}`);
}

/** The whole text. */
export function described({ metadata, status }: InferenceService, pods: readonly Pod[]): string {
  const url = status?.url === undefined ? "no URL yet" : status.url;
  const stale =
    status?.observedGeneration === metadata.generation
      ? ""
      : "the controller has not looked at the last change yet\n";
  const parts = [
    `${metadata.namespace ?? "default"}/${metadata.name}   ${url}\n${stale}`,
    conditionsOf(status),
    trafficOf(status),
    rolloutOf(status),
    podsOf(pods),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

function conditionsOf(status: InferenceServiceStatus | undefined): string {
  const rows = (status?.conditions ?? []).map((one) => [
    one.type,
    one.status,
    one.reason ?? "",
    one.message ?? "",
  ]);
  return rows.length === 0
    ? "no condition yet: does the controller run?\n"
    : table(["CONDITION", "STATUS", "REASON", "MESSAGE"], rows);
}

function trafficOf(status: InferenceServiceStatus | undefined): string {
  const components = Object.entries(status?.components ?? {}) as [string, ComponentStatus][];
  const rows = components.flatMap(([component, { traffic = [], ...of }]) =>
    traffic.map(({ revisionName = "", percent = 0, tag = "" }) => [
      component,
      revisionName,
      `${percent} %`,
      tag,
      [
        ...(revisionName === of.latestRolledoutRevision ? ["stable"] : []),
        ...(revisionName === of.latestCreatedRevision ? ["newest"] : []),
      ].join(", "),
    ]),
  );
  return rows.length === 0 ? "" : table(["COMPONENT", "REVISION", "TRAFFIC", "TAG", "IS"], rows);
}

function rolloutOf(status: InferenceServiceStatus | undefined): string {
  const rollout = status?.rollout;
  if (rollout === undefined) {
    return "";
  }
  const { phase = "", step, steps, revision, message = "" } = rollout;
  const at = step === undefined ? "" : `, step ${step} of ${steps}`;
  const of = revision === undefined ? "" : ` of ${revision}`;
  return `rollout${of}: ${phase}${at}: ${message}\n`;
}

function podsOf(pods: readonly Pod[]): string {
  const rows = livePods(pods).map((pod) => [
    pod.metadata.name,
    pod.metadata.labels?.[LABEL_REVISION] ?? "",
    pod.status?.phase ?? "",
    condition(pod.status?.conditions, "Ready")?.status === "True" ? "ready" : "not ready",
    revisionTrouble([pod], undefined)?.message ?? "",
  ]);
  return rows.length === 0
    ? "no pods: scaled to zero, or none made yet\n"
    : table(["POD", "REVISION", "PHASE", "IS", "TROUBLE"], rows);
}
