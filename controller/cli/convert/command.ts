/** `pilotlight convert`: KServe's manifests for Pilotlight. */
import { isMap, LineCounter, parseAllDocuments, type Document } from "yaml";
import { CliError, EXIT, noMoreThan, parseFlags, type Command } from "../command.ts";
import { FILENAME_OPTION, readInput, readSchema } from "../input.ts";
import { findInstallation } from "../installation.ts";
import { isRuntime } from "../manifest.ts";
import { parseFormat, printedObjects } from "../output.ts";
import { readSettings } from "../settings.ts";
import { convertDocument, word } from "./convert.ts";
import { outlook, type Known } from "./outlook.ts";

const HELP = `Usage: pilotlight convert -f FILE... [FLAGS]

Prints KServe's manifests as Pilotlight's: InferenceServices of serving.kserve.io/v1beta1 (or of
serving.kubeflow.org, its name before), ServingRuntimes and ClusterServingRuntimes. What was changed
is listed on standard error, and so is what the controller will refuse of it or warn of, as far as
that is known without a cluster. Comments and order stay; other objects pass as they are.

  -f, --filename FILE          manifest; - is standard input; may be repeated
  -o, --output yaml|json       documents, or one object or List (yaml)
  -h, --help                   this text

What Pilotlight cannot be is refused with the way out, and nothing is printed: v1alpha2, the modes
RawDeployment (Standard) and ModelMesh, TrainedModels, InferenceGraphs.

Exit codes: 0 converted, whatever the controller will say of it; 1 something cannot be converted; 64
flags, 65 a manifest is no YAML or has no object; 66 a file is not there.

Examples:
  pilotlight convert -f kserve.yaml > pilotlight.yaml
  kubectl get isvc iris -o yaml | pilotlight convert -f - | kubectl apply -f -
`;

export const convertCommand: Command = {
  help: HELP,
  run(args, terminal) {
    const { values, positionals } = parseFlags({
      args: [...args],
      allowPositionals: true,
      options: {
        ...FILENAME_OPTION,
        output: { type: "string", short: "o", default: "yaml" },
        help: { type: "boolean", short: "h" },
      },
    });
    noMoreThan(0, positionals, "a manifest is given with -f");
    const format = parseFormat(values.output, ["yaml", "json"]);
    const files = values.filename ?? [];
    if (files.length === 0) {
      throw new CliError(EXIT.usage, "no manifest: give one with -f FILE, or -f - for stdin");
    }
    const documents = files.flatMap((file) => documentsOf(file));
    if (documents.length === 0) {
      throw new CliError(EXIT.data, `no object in ${files.map(shownName).join(", ")}`);
    }
    const converted = documents.map(({ document, where }) => ({
      where,
      ...convertDocument(document),
      value: document.toJS() as unknown,
    }));
    const refusals = converted.flatMap(({ where, refusal }) =>
      refusal === undefined ? [] : [`${where}: ${refusal}`],
    );
    if (refusals.length > 0) {
      throw new CliError(EXIT.no, ["refused:", ...refusals].join("\n  "));
    }
    for (const { where, changes, outlook } of withOutlook(converted)) {
      for (const line of [...changes, ...outlook]) {
        terminal.err(`pilotlight convert: ${where}: ${line}\n`);
      }
    }
    terminal.out(
      format === "yaml"
        ? documents.map(({ document }) => textOf(document)).join("---\n")
        : printedObjects(
            format,
            documents.map(({ document }) => document.toJS() as unknown),
          ),
    );
    return Promise.resolve(EXIT.ok);
  },
};

interface Told {
  readonly where: string;
  readonly changes: readonly string[];
  readonly value: unknown;
}

/** With what a cluster will say to each InferenceService that was changed. */
function withOutlook(
  converted: readonly Told[],
): readonly (Told & { readonly outlook: readonly string[] })[] {
  const changed = converted.filter(
    ({ changes, value }) => changes.length > 0 && kindOf(value) === "InferenceService",
  );
  if (changed.length === 0) {
    return converted.map((each) => ({ ...each, outlook: [] }));
  }
  const known: Known = {
    schema: readSchema(findInstallation(import.meta.url).root),
    settings: readSettings({}),
    runtimes: converted
      .map(({ value }) => value)
      .filter(isObject)
      .filter((value) => isRuntime(value, kindOf(value))),
  };
  return converted.map((each) => ({
    ...each,
    outlook: changed.includes(each) && isObject(each.value) ? outlook(each.value, known) : [],
  }));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function kindOf(value: unknown): string {
  return isObject(value) && "kind" in value && typeof value.kind === "string" ? value.kind : "";
}

function shownName(file: string): string {
  return file === "-" ? "stdin" : file;
}

interface Placed {
  readonly document: Document.Parsed;
  /** file:line: kind name. */
  readonly where: string;
}

/** The documents of a file, those of a List each for itself. @throws CliError 65 or 66. */
function documentsOf(file: string): readonly Placed[] {
  const lines = new LineCounter();
  const shown = shownName(file);
  const parsed = parseAllDocuments(readInput(file), { lineCounter: lines });
  const documents = Array.isArray(parsed) ? parsed : [];
  return documents.flatMap((document): readonly Placed[] => {
    const at = (offset: number): string => `${shown}:${lines.linePos(offset).line}`;
    const [error] = document.errors;
    if (error !== undefined) {
      throw new CliError(EXIT.data, `${at(error.pos[0])}: not valid YAML: ${error.message}`);
    }
    if (document.contents === null || (document.toJS() as unknown) === null) {
      return [];
    }
    if (!isMap(document.contents)) {
      const advice = "a manifest is a mapping with apiVersion, kind, metadata and spec";
      throw new CliError(EXIT.data, `${at(document.contents.range[0])}: ${advice}`);
    }
    if (document.get("kind") === "List") {
      const items = (document.toJS() as { items?: readonly unknown[] }).items ?? [];
      return items.flatMap((item) =>
        parseAllDocuments(JSON.stringify(item)).map((each) => ({
          document: plain(each as Document.Parsed),
          where: named(each as Document.Parsed, shown),
        })),
      );
    }
    const start = at(document.contents.range?.[0] ?? document.range[0]);
    return [{ document, where: named(document, start) }];
  });
}

/** What was JSON is printed as block YAML. */
function plain(document: Document.Parsed): Document.Parsed {
  const [block] = parseAllDocuments(printedObjects("yaml", [document.toJS()]));
  return block ?? document;
}

function named(document: Document.Parsed, place: string): string {
  return `${place}: ${word(document, ["kind"])} ${word(document, ["metadata", "name"])}`;
}

function textOf(document: Document.Parsed): string {
  return document.toString({ lineWidth: 0, directives: false });
}
