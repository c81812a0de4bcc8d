/** What commands read: manifests from files and standard input, checked by the CRD's own schema. */
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import type { ServingRuntime } from "../api/servingruntime.gen.ts";
import { CliError, EXIT } from "./command.ts";
import { parseManifests, type Manifest, type Manifests } from "./manifest.ts";
import type { Schema } from "./schema.ts";

/** `-f`, for commands that take manifests. */
export const FILENAME_OPTION = {
  filename: { type: "string", short: "f", multiple: true },
} as const;

const STDIN_FD = 0;
/** etcd takes no larger object; several of them may lie in one file. */
const INPUT_BYTES_MAX = 16 * 1024 * 1024;

/** The text of `file`, or of standard input for "-". @throws CliError 66 or 65 that names it. */
export function readInput(file: string): string {
  try {
    if (file !== "-" && statSync(file).size > INPUT_BYTES_MAX) {
      throw new CliError(EXIT.data, `${file} is larger than ${INPUT_BYTES_MAX} bytes`);
    }
    return readFileSync(file === "-" ? STDIN_FD : file, "utf8");
  } catch (error) {
    if (error instanceof CliError) {
      throw error;
    }
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(EXIT.noInput, `cannot read ${file}: ${why}`, error);
  }
}

/** The schema that a cluster would check by: the CRD is the API's only source, here as well. */
export function readSchema(installation: string): Schema {
  const file = path.join(installation, "crds/inferenceservice.yaml");
  if (!existsSync(file)) {
    throw new CliError(EXIT.software, `${file} is missing: this installation is incomplete`);
  }
  // It is full of aliases, which yaml takes for an attack from a hundred on.
  const crd = parse(readFileSync(file, "utf8"), { maxAliasCount: -1 }) as {
    spec: { versions: { schema: { openAPIV3Schema: Schema } }[] };
  };
  const [version] = crd.spec.versions;
  return version?.schema.openAPIV3Schema ?? {};
}

export interface ReadManifests {
  readonly manifests: readonly Manifest[];
  readonly runtimes: readonly ServingRuntime[];
  readonly accounts: Manifests["accounts"];
  readonly notices: readonly string[];
}

/**
 * Every InferenceService of the files that `-f` names, in their order.
 * @throws CliError 64 when there is no file, 66 when one cannot be read, 65 with every fault of all
 * of them, one a line, each with its file, line and column.
 */
export function readManifests(
  files: readonly string[] | undefined,
  installation: string,
): ReadManifests {
  if (files === undefined || files.length === 0) {
    throw new CliError(
      EXIT.usage,
      "no manifest: give one with -f FILE, or -f - for standard input",
    );
  }
  if (files.filter((file) => file === "-").length > 1) {
    throw new CliError(EXIT.usage, "-f - reads standard input, which can be read once only");
  }
  const schema = readSchema(installation);
  const read = files.map((file) =>
    parseManifests(file === "-" ? "stdin" : file, readInput(file), schema),
  );
  const faults = read.flatMap((each) => each.faults);
  if (faults.length > 0) {
    throw new CliError(EXIT.data, ["not valid:", ...faults].join("\n  "));
  }
  return {
    manifests: read.flatMap((each) => each.manifests),
    runtimes: read.flatMap((each) => each.runtimes),
    accounts: read.flatMap((each) => each.accounts),
    notices: read.flatMap((each) => each.notices),
  };
}
