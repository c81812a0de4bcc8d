/** `pilotlight history`: which revision served when, who applied it, and what became of it. */
import type { HistoryEntry } from "../../api/inferenceservice.gen.ts";
import { EXIT, parseFlags, type Command } from "../command.ts";
import { CLUSTER_HELP, CLUSTER_OPTIONS, withKube } from "../kube.ts";
import { parseFormat, printed, table } from "../output.ts";
import { nameOf, readService } from "./target.ts";

const HELP = `Usage: pilotlight history NAME [FLAGS]

Prints status.history of an InferenceService, newest first: each revision of its predictor, the
generation and the model that it was made from, who applied it, when it served, and what became of
it.

  -o, --output table|yaml|json for people, or for machines (table)
${CLUSTER_HELP}  -h, --help                   this text

Exit codes: 0 printed; 1 there is no such InferenceService; 64 flags are wrong; 66 no kubeconfig;
69 the cluster does not answer; 77 it denies it.

Example:
  pilotlight history iris -n default
`;

const HEAD = ["REVISION", "GENERATION", "OUTCOME", "APPLIED BY", "APPLIED AT", "SERVED"];
const MORE = ["MODEL", "DIGEST", "REASON"];

export const historyCommand: Command = {
  help: HELP,
  async run(args, terminal) {
    const { values, positionals } = parseFlags({
      args: [...args],
      allowPositionals: true,
      options: {
        ...CLUSTER_OPTIONS,
        output: { type: "string", short: "o", default: "table" },
        help: { type: "boolean", short: "h" },
      },
    });
    const name = nameOf(positionals);
    const format = parseFormat(values.output, ["table", "yaml", "json"]);
    const isvc = await withKube(values, (kube) => readService(kube, name));
    const entries = isvc.status?.history ?? [];
    terminal.out(
      format === "table" ? table([...HEAD, ...MORE], entries.map(row)) : printed(format, entries),
    );
    return EXIT.ok;
  },
};

function row(entry: HistoryEntry): readonly string[] {
  const { servingFrom, servingUntil } = entry;
  const served = servingFrom === undefined ? "" : `${servingFrom} – ${servingUntil ?? "now"}`;
  return [
    entry.revision,
    entry.generation === undefined ? "" : String(entry.generation),
    entry.outcome ?? "",
    entry.appliedBy ?? "",
    entry.appliedAt ?? "",
    served,
    entry.storageUri ?? "",
    entry.modelDigest?.slice(0, "sha256:".length + 12) ?? "",
    entry.reason ?? "",
  ];
}
