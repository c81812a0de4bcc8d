/**
 * `npm start`: serves examples/iris on this machine, sends one real request from zero, prints both, and stays until Ctrl-C;
 * `npm start -- --once` ends then, with 0 when the prediction was right.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { CliError, type Terminal } from "../controller/cli/command.ts";
import { choosePredictor, reporter, untilSignal } from "../controller/cli/serve/command.ts";
import { loadPlans } from "../controller/cli/serve/load.ts";
import { startServing, type ServeOptions, type Serving } from "../controller/cli/serve/serve.ts";

const ROOT = path.join(import.meta.dirname, "..");
const MANIFEST = "examples/iris/isvc.yaml";
const REQUEST = "examples/iris/request.json";
const PORT = 8080;
const WINDOW_MS = 60_000;
const CLASSES: readonly string[] = ["setosa", "versicolor", "virginica"];

interface Tensor {
  readonly name: string;
  readonly data: readonly number[];
}

interface Flower {
  readonly measurements: readonly number[];
  readonly className: string;
  readonly probability: number;
}

const colour = process.stdout.isTTY && (process.env["NO_COLOR"] ?? "") === "";
const terminal: Terminal = {
  env: process.env,
  colour,
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
};

function say(...lines: string[]): void {
  terminal.out(lines.map((line) => `${line}\n`).join(""));
}

function bold(text: string): string {
  return colour ? `\u001b[1m${text}\u001b[0m` : text;
}

/** On port 8080, or a free one where that is taken. */
async function serveIris(): Promise<Serving> {
  const sources = { files: [path.join(ROOT, MANIFEST)], models: [], installation: ROOT };
  const { plans } = loadPlans({ ...sources, env: terminal.env });
  const report = reporter(terminal, "text", plans);
  const options: ServeOptions = {
    plans,
    host: "127.0.0.1",
    port: PORT,
    windowMs: WINDOW_MS,
    predictor: choosePredictor(undefined, ROOT),
    verbose: false,
    env: terminal.env,
    report,
  };
  try {
    return await startServing(options);
  } catch (error) {
    if (!(error instanceof CliError)) {
      throw error;
    }
    report({ event: "notice", message: `port ${PORT} is taken here, another one will do` });
    return await startServing({ ...options, port: 0 });
  }
}

/** Sends the example's request; prints it and its answer. Resolves with whether the answer is right. */
async function predict(url: string): Promise<boolean> {
  const target = `${url}/v2/models/iris/infer`;
  say("", bold("The first request, which you can send as well:"), "");
  say(`  curl -d @${REQUEST} ${target}`, "");
  const body = await readFile(path.join(ROOT, REQUEST));
  const startedMs = performance.now();
  const response = await fetch(target, { method: "POST", body });
  const text = await response.text();
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(2);
  say(
    "",
    bold(`Answered with ${response.status} after ${seconds} s, the cold start included:`),
    "",
  );
  if (response.status !== 200) {
    say(`  ${text}`, "");
    return false;
  }
  const flowers = readFlowers(String(body), text);
  for (const { measurements, className, probability } of flowers) {
    const [sepalLength, sepalWidth, petalLength, petalWidth] = measurements.map((cm) =>
      cm.toFixed(1),
    );
    const sepal = `sepal ${sepalLength} x ${sepalWidth} cm`;
    const petal = `petal ${petalLength} x ${petalWidth} cm`;
    const percent = `${(probability * 100).toFixed(1)} %`.padStart(7);
    say(`  ${sepal}, ${petal}   ${bold(`Iris ${className}`.padEnd(15))} ${percent}`);
  }
  say("", `  ${text}`, "");
  return flowers.map(({ className }) => className).join() === CLASSES.join();
}

/**
 * Both tensors of the answer beside the rows of the request, which holds one flower of each class.
 */
function readFlowers(request: string, answer: string): Flower[] {
  const { inputs } = JSON.parse(request) as { inputs: [{ data: number[][] }] };
  const { outputs } = JSON.parse(answer) as { outputs: Tensor[] };
  const data = (name: string): readonly number[] =>
    outputs.find((output) => output.name === name)?.data ?? [];
  return inputs[0].data.map((measurements, row) => {
    const label = data("label")[row] ?? -1;
    const probability = data("probabilities")[row * CLASSES.length + label] ?? 0;
    return { measurements, className: CLASSES[label] ?? "unknown", probability };
  });
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { once: { type: "boolean", default: false } } });
  say(bold(`Pilotlight serves ${MANIFEST} on this machine`), "");
  const serving = await serveIris();
  const stop = Promise.withResolvers<string>();
  const ended = untilSignal(serving, stop.promise);
  const right = await predict(serving.url).catch((error: unknown) => {
    terminal.err(`the request failed: ${String(error)}\n`);
    return false;
  });
  if (values.once || !right) {
    stop.resolve(right ? "--once" : "no right prediction");
  } else {
    say(`Without a request for ${WINDOW_MS / 1000} s it goes back to zero. Ctrl-C ends it.`, "");
  }
  const code = await ended;
  return right ? code : 1;
}

process.exitCode = await main();
