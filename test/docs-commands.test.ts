/** Commands and manifests of the documentation about the predictor, as a reader would run them. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { parse, stringify } from "yaml";
import { freePort } from "../hack/free-port.ts";
import { runCommand } from "../hack/go/command.ts";
import { makeFolder } from "../predictor/storage/testing/folder.ts";
import type { TestFolder } from "../predictor/storage/testing/folder.ts";
import { fixtures } from "../predictor/tasks/testing/local-task.ts";
import { irisPath, TestPredictor } from "../predictor/testing/test-predictor.ts";
import { blocksOf } from "./support/markdown.ts";

const ROOT = join(import.meta.dirname, "..");
const textOf = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const pilotlight = `${process.execPath} controller/cli/main.ts`;

/** A command of the documentation that stays, until it is disposed of. */
class Running implements AsyncDisposable {
  readonly #child;
  readonly #exited: Promise<unknown>;
  output = "";

  constructor(command: string, environment: Record<string, string>) {
    const env = { ...process.env, ...environment };
    this.#child = spawn("sh", ["-c", command], { cwd: ROOT, env, detached: true });
    this.#exited = once(this.#child, "exit");
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    }
  }

  /** Until something answers there. */
  async answers(url: string): Promise<void> {
    for (;;) {
      assert.equal(this.#child.exitCode, null, this.output);
      try {
        if ((await fetch(url)).ok) return;
      } catch {
        // Not yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    // Its group: the shell, and what it started.
    process.kill(-(this.#child.pid ?? 0), "SIGTERM");
    await this.#exited;
  }
}

async function run(command: string, env: Record<string, string> = {}): Promise<unknown> {
  const options = { cwd: ROOT, env: { ...process.env, ...env } };
  const { stdout } = await runCommand("sh", ["-c", command], options);
  return JSON.parse(stdout);
}

describe("docs/tasks.md", () => {
  const commands = blocksOf("docs/tasks.md", "sh");
  let predictor: TestPredictor;
  before(async () => {
    const STORAGE_URI = join(fixtures, "question-answering");
    predictor = await TestPredictor.serving({ STORAGE_URI, MODEL_NAME: "m" });
  });
  after(async () => predictor[Symbol.asyncDispose]());
  const ask = async (index: number): Promise<unknown> =>
    run(commands[index] ?? "", { URL: predictor.url });
  const context = "The fox jumps over the dog.";
  const assertAnswer = (answer: unknown): void => {
    const { answer: words, start, end } = answer as { answer: string; start: number; end: number };
    assert.equal(words, context.slice(start, end));
  };
  const columns = (json: unknown): Record<string, { shape: number[]; data: unknown[] }> => {
    const { outputs } = json as { outputs: { name: string; shape: number[]; data: unknown[] }[] };
    return Object.fromEntries(outputs.map((output) => [output.name, output]));
  };

  it("has four ways to ask, and two for text that grows", () => assert.equal(commands.length, 6));
  it("asks in v1", async () => {
    const { predictions } = (await ask(0)) as { predictions: unknown[] };
    assert.equal(predictions.length, 1);
    assertAnswer(predictions[0]);
  });
  it("asks as Hugging Face writes it, for the two best", async () => {
    const best = (await ask(1)) as unknown[];
    assert.equal(best.length, 2, JSON.stringify(best));
    for (const answer of best) assertAnswer(answer);
  });
  it("asks in v2, for columns and everything as JSON", async () => {
    const { answer, output } = columns(await ask(2));
    const all = JSON.parse(String(output?.data[0])) as { answer: string }[];
    assert.equal(all.length, 2);
    assert.equal(answer?.data[0], all[0]?.answer);
  });
  it("asks for the graph's own tensors", async () => {
    const { start_logits, end_logits } = columns(await ask(3));
    assert.deepEqual(
      [start_logits?.shape, end_logits?.shape],
      [
        [1, 3],
        [1, 3],
      ],
    );
  });
});

describe("docs/tasks.md on text that grows", () => {
  const [whole = "", stream = ""] = blocksOf("docs/tasks.md", "sh").slice(4);
  let predictor: TestPredictor;
  before(async () => {
    const STORAGE_URI = join(fixtures, "text-generation");
    predictor = await TestPredictor.serving({ STORAGE_URI, MODEL_NAME: "m" });
  });
  after(async () => predictor[Symbol.asyncDispose]());

  it("asks for all of it", async () => {
    const { text_output: text, ...others } = (await run(whole, { URL: predictor.url })) as Piece;
    assert.deepEqual(others, { model_name: "m", model_version: "1" });
    assert(text.length > 0);
  });

  it("asks for it as it comes", async () => {
    const env = { ...process.env, URL: predictor.url };
    const { stdout } = await runCommand("sh", ["-c", stream], { env });
    const events = stdout.split("\n\n");
    assert.equal(events.pop(), "");
    assert(events.length > 1, stdout);
    for (const event of events) {
      assert.match(event, /^data: /);
      const { text_output: text, ...others } = JSON.parse(event.slice(6)) as Piece;
      assert.deepEqual(others, { id: "1", model_name: "m", model_version: "1" });
      assert.equal(typeof text, "string");
    }
  });
});

type Piece = { readonly text_output: string };

describe("docs/models.md", () => {
  it("has a manifest of a repository, which is served as it says", async function () {
    this.timeout(60_000);
    await using folder = await makeFolder();
    const models = repositoryIn(folder);
    const [block = ""] = blocksOf("docs/models.md", "yaml");
    const { model } = parse(block) as { model: Record<string, unknown> };
    assert.deepEqual(Object.keys(model).sort(), ["modelFormat", "repository", "storageUri"]);
    const isvc = {
      apiVersion: "pilotlight.dev/v1beta1",
      kind: "InferenceService",
      metadata: { name: "all" },
      spec: { predictor: { minReplicas: 1, model: { ...model, storageUri: models } } },
    };
    const path = join(folder.path, "isvc.yaml");
    writeFileSync(path, stringify(isvc));
    const port = await freePort();
    await using serving = new Running(`${pilotlight} serve -f ${path} --port ${port}`, {});
    const url = `http://127.0.0.1:${port}`;
    await serving.answers(`${url}/v2/health/ready`);
    const answer = await run(
      `curl -s ${url}/v1/models/iris:predict -d '{"instances": [[5.1, 3.5, 1.4, 0.2]]}'`,
    );
    assert.equal((answer as { predictions: { label: number }[] }).predictions[0]?.label, 0);
  });
});

function repositoryIn(folder: TestFolder): string {
  const models = join(folder.path, "models");
  mkdirSync(join(models, "iris"), { recursive: true });
  copyFileSync(irisPath, join(models, "iris", "model.onnx"));
  return models;
}

describe("docs/hooks.md", () => {
  it("serves with a handler of this machine", async function () {
    this.timeout(60_000);
    await using folder = await makeFolder();
    const handler = "export const postprocess = (): object => ({ body: { handled: true } });\n";
    writeFileSync(join(folder.path, "handler.ts"), handler);
    const [command = ""] = blocksOf("docs/hooks.md", "sh");
    const here = command
      .replace("pilotlight", pilotlight)
      .replace("./handler.ts", join(folder.path, "handler.ts"))
      .replace("isvc.yaml", "examples/iris/isvc.yaml");
    assert.match(here, /^HANDLER=\/.* serve -f examples\/iris\/isvc.yaml$/);
    const port = await freePort();
    await using serving = new Running(`${here} --port ${port}`, {});
    const url = `http://127.0.0.1:${port}`;
    await serving.answers(`${url}/v2/health/ready`);
    const asked = `curl -s -d @examples/iris/request.json ${url}/v2/models/iris/infer`;
    assert.deepEqual(await run(asked), { handled: true });
  });
});

/** What the README's of examples say to do on this machine: serve, and ask. */
describe("the README", () => {
  const examples = readdirSync(join(ROOT, "examples")).flatMap((name) => {
    const path = `examples/${name}/README.md`;
    const block = name === "argocd" || name === "hooks" ? undefined : blocksOf(path)[0];
    return block === undefined ? [] : [{ path, lines: block.split("\n") }];
  });
  it("is there for the examples that are served", () => assert(examples.length >= 4));
  for (const { path, lines } of examples) {
    it(`${path} serves, and is answered`, async function () {
      this.timeout(60_000);
      const port = await freePort();
      const [serve = "", ...asks] = lines.map((line) =>
        line
          .replace("npm run build && npx pilotlight serve", `${pilotlight} serve --port ${port}`)
          .replaceAll("127.0.0.1:8080", `127.0.0.1:${port}`),
      );
      assert(asks.length > 0, "it asks nothing");
      await using serving = new Running(serve, { PORT: String(port) });
      await serving.answers(`http://127.0.0.1:${port}/v2/health/ready`);
      for (const ask of asks) {
        const { outputs } = (await run(ask)) as { outputs?: unknown[] };
        assert(outputs !== undefined && outputs.length > 0, ask);
      }
    });
  }
});

describe("curl lines of the documentation", () => {
  it("are all in files whose commands are run by a test", () => {
    const asking = readdirSync(join(ROOT, "docs"))
      .filter((name) => name.endsWith(".md"))
      .filter((name) => /^\$? ?curl .*\$URL/m.test(textOf(`docs/${name}`)));
    assert.deepEqual(asking.sort(), ["protocol.md", "tasks.md"]);
  });
});
