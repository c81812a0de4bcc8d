/** The conformance suite: a file per behaviour in test/conformance, run against any server. */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { ask } from "../../test/conformance/support/target.ts";
import type { Behaviour, InferRequest, Target } from "../../test/conformance/support/target.ts";

export interface Result {
  readonly name: string;
  readonly says: string;
  readonly source: string;
  readonly passed: boolean;
  /** The first line of why not. */
  readonly why?: string;
}

const FOLDER = join(import.meta.dirname, "../../test/conformance");
const WHY_LENGTH_MAX = 200;

/** The behaviours by the names of their files, in alphabetical order. */
export async function loadBehaviours(): Promise<Map<string, Behaviour>> {
  const files = (await readdir(FOLDER)).filter(
    (name) => name.endsWith(".ts") && !name.endsWith(".test.ts"),
  );
  const loaded = await Promise.all(
    files.toSorted().map(async (file): Promise<[string, Behaviour]> => {
      const { behaviour } = (await import(join(FOLDER, file))) as { behaviour: Behaviour };
      return [basename(file, ".ts"), behaviour];
    }),
  );
  return new Map(loaded);
}

/** Every behaviour, one after the other: they must not disturb each other. */
export async function runSuite(target: Target): Promise<Result[]> {
  const results: Result[] = [];
  for (const [name, { says, source, check }] of await loadBehaviours()) {
    try {
      await check(target);
      results.push({ name, says, source, passed: true });
    } catch (error) {
      results.push({ name, says, source, passed: false, why: firstLine(error, target) });
    }
  }
  return results;
}

type Failure = Error & { cause?: { code?: string }; actual?: unknown; expected?: unknown };

function firstLine(error: unknown, { url }: Target): string {
  const { message, cause, actual, expected } = error as Failure;
  const line = message.startsWith("Expected values")
    ? `${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`
    : (message.split("\n", 1)[0] ?? "");
  const shown = line === "fetch failed" ? `${line}: ${cause?.code ?? "unknown"}` : line;
  return shown.replaceAll(url, "").slice(0, WHY_LENGTH_MAX);
}

/**
 * A request made from the model's metadata: ones, one row. Throws when the server gives none; then
 * a request has to be told.
 */
export async function sampleRequest(url: string, model: string): Promise<InferRequest> {
  const { status, json } = await ask({ url }, `/v2/models/${encodeURIComponent(model)}`);
  const { inputs } = (json ?? {}) as { inputs?: readonly Metadata[] };
  if (status !== 200 || !Array.isArray(inputs) || inputs.length === 0) {
    throw new Error(`${url} gives no metadata of ${model}: give a request with --request FILE`);
  }
  return { inputs: (inputs as readonly Metadata[]).map(sampleTensor) };
}

interface Metadata {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

function sampleTensor({ name, datatype, shape: declared }: Metadata) {
  const shape = declared.map((size) => (size < 0 ? 1 : size));
  const count = shape.reduce((product, size) => product * size, 1);
  const element = datatype === "BYTES" ? "a" : datatype === "BOOL" ? true : 1;
  return { name, datatype, shape, data: Array<unknown>(count).fill(element) };
}
