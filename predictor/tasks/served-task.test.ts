/** Tasks through the predictor's own HTTP, in each of the protocols. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { TestPredictor } from "../testing/test-predictor.ts";
import { fixtures } from "./testing/local-task.ts";

const started = new Map<string, TestPredictor>();
after(async () => {
  for (const each of started.values()) await each[Symbol.asyncDispose]();
});

async function serve(
  folder: string,
  environment: Record<string, string> = {},
): Promise<TestPredictor> {
  const key = JSON.stringify([folder, environment]);
  const known = started.get(key);
  if (known !== undefined) return known;
  const predictor = new TestPredictor({
    STORAGE_URI: folder.startsWith("/") ? folder : join(fixtures, folder),
    MODEL_NAME: "m",
    LOG_LEVEL: "info",
    ...environment,
  });
  started.set(key, predictor);
  await predictor.logged("serving");
  return predictor;
}

type Row = { inputs: Record<string, string>; parameters: object; answer: { score: number } };
const casesOf = (name: string): Row[] =>
  (JSON.parse(readFileSync(join(fixtures, name, "expected.json"), "utf8")) as { cases: Row[] })
    .cases;
const predict = "/v1/models/m:predict";
const infer = "/v2/models/m/infer";
const column = (name: string, ...data: string[]): object => ({
  name,
  datatype: "BYTES",
  shape: [data.length],
  data,
});

describe("a model with a task", () => {
  const [first, , long] = casesOf("question-answering");
  let qa: TestPredictor;
  before(async () => {
    qa = await serve("question-answering");
  });

  it("answers instances in v1", async () => {
    const body = { instances: [first?.inputs, long?.inputs] };
    const { status, json } = await qa.post(predict, body);
    assert.equal(status, 200);
    const { predictions } = json as { predictions: Row["answer"][] };
    for (const [index, row] of [first, long].entries()) {
      assertAnswer(predictions[index], row?.answer);
    }
  });

  it("answers inputs and parameters as Hugging Face writes them", async () => {
    const one = await qa.post(predict, { inputs: first?.inputs });
    assertAnswer(one.json, first?.answer);
    const parameters = { top_k: 2 };
    const two = await qa.post(predict, { inputs: [first?.inputs], parameters });
    assert.equal((two.json as object[][])[0]?.length, 2, two.text);
  });

  it("answers texts as BYTES tensors in v2, and all of an answer as JSON", async () => {
    const question = column("question", String(first?.inputs["question"]));
    const context = column("context", String(first?.inputs["context"]));
    const { status, json } = await qa.post(infer, { id: "7", inputs: [question, context] });
    assert.equal(status, 200);
    const { id, outputs } = json as { id: string; outputs: { name: string; data: unknown[] }[] };
    const { answer, score, start, end, output } = Object.fromEntries(
      outputs.map(({ name, data }) => [name, data[0]]),
    );
    assert.equal(id, "7");
    assertAnswer({ answer, score, start, end }, first?.answer);
    assertAnswer(JSON.parse(output as string), first?.answer);
  });

  it("takes parameters and chosen outputs in v2", async () => {
    const inputs = [column("question", "What boils?"), column("context", "Water boils here.")];
    const parameters = { max_answer_len: 1, priority: 1 };
    const body = { inputs, parameters, outputs: [{ name: "end" }, { name: "start" }] };
    const { json, text } = await qa.post(infer, body);
    const { outputs } = json as { outputs: { name: string; data: number[] }[] };
    assert.deepEqual(outputs.map(({ name }) => name).sort(), ["end", "start"], text);
  });

  it("still takes the graph's own tensors, by their names, in both protocols", async () => {
    const ids = { name: "input_ids", datatype: "INT64", shape: [1, 3], data: [2, 9, 3] };
    const mask = { name: "attention_mask", datatype: "INT64", shape: [1, 3], data: [1, 1, 1] };
    const v2 = await qa.post(infer, { inputs: [ids, mask] });
    const { outputs } = v2.json as { outputs: { name: string; shape: number[] }[] };
    assert.deepEqual(
      outputs.map(({ name, shape }) => [name, shape]),
      [
        ["start_logits", [1, 3]],
        ["end_logits", [1, 3]],
      ],
    );
    const v1 = await qa.post(predict, {
      instances: [{ input_ids: [2, 9, 3], attention_mask: [1, 1, 1] }],
    });
    const { predictions } = v1.json as { predictions: { start_logits: number[] }[] };
    assert.equal(predictions[0]?.start_logits.length, 3, v1.text);
  });

  it("says in its metadata what it takes", async () => {
    const { json } = await qa.get("/v2/models/m");
    const { inputs } = json as { inputs: unknown[] };
    assert.deepEqual(inputs, [
      { name: "question", datatype: "BYTES", shape: [-1] },
      { name: "context", datatype: "BYTES", shape: [-1] },
    ]);
  });

  it("takes null for absent", async () => {
    const body = { instances: null, inputs: first?.inputs, parameters: null };
    const { status, text } = await qa.post(predict, body);
    assert.equal(status, 200, text);
  });

  it("says which of the graph's own inputs it doesn't know", async () => {
    const ids = { name: "input_ids", datatype: "INT64", shape: [1, 1], data: [2] };
    const { text } = await qa.post(infer, { inputs: [ids, { ...ids, name: "attn" }] });
    assert.match(text, /no input \\"attn\\"; it has \[\\"input_ids/);
    const mixed = await qa.post(infer, { inputs: [ids, column("question", "a")] });
    assert.match(mixed.text, /no input \\"input_ids\\"; it has \[\\"question/);
  });

  const refusals: { why: string; body: object; says: RegExp }[] = [
    { why: "no context", body: { instances: [{ question: "a" }] }, says: /no "context"/ },
    { why: "a number", body: { instances: [3] }, says: /a request is 3, not an object/ },
    { why: "nothing", body: {}, says: /neither instances nor inputs/ },
    { why: "no instances", body: { instances: [] }, says: /holds 0 requests/ },
    {
      why: "an unknown field",
      body: { inputs: { question: "a", context: "b", page: "c" } },
      says: /has "page"; the task takes \["question","context"\]/,
    },
    {
      why: "an unknown parameter",
      body: { inputs: { question: "a", context: "b" }, parameters: { topk: 2 } },
      says: /parameter "topk" is unknown; the task takes .*top_k/,
    },
    {
      why: "a parameter out of range",
      body: { inputs: { question: "a", context: "b" }, parameters: { top_k: 0 } },
      says: /top_k is 0, not a number from 1/,
    },
    {
      why: "a question that leaves no room",
      body: { inputs: { question: "why ".repeat(200), context: "because ".repeat(9) } },
      says: /leaves no room for the context in 96 tokens/,
    },
    {
      why: "a text beyond all measure",
      body: { inputs: { question: "a", context: "a".repeat(1_000_001) } },
      says: /longer than 1000000 characters/,
    },
  ];
  it("refuses parameters nested beyond all measure, in each protocol, and goes on serving", async () => {
    const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    const parameters = `"parameters": {"top_k": ${deep}}`;
    const texts = JSON.stringify([column("question", "a"), column("context", "b")]);
    const v1 = await qa.post(
      predict,
      `{"inputs": {"question": "a", "context": "b"}, ${parameters}}`,
    );
    const v2 = await qa.post(infer, `{"inputs": ${texts}, ${parameters}}`);
    for (const { status, text } of [v1, v2]) {
      assert.equal(status, 400, text);
      assert.match(text, /parameter \\"top_k\\" is neither .* nor a list of those/);
    }
    assert.equal((await qa.post(predict, { inputs: first?.inputs })).status, 200);
  });

  for (const { why, body, says } of refusals) {
    it(`refuses ${why} with 400 and a sentence`, async () => {
      const { status, json } = await qa.post(predict, body);
      assert.equal(status, 400);
      assert.match((json as { error: string }).error, says);
    });
  }

  it("is bounded by a request's own timeout in each protocol, and goes on serving", async () => {
    const context = "Water boils at one hundred degrees. ".repeat(700);
    const parameters = { timeout: 1000, doc_stride: 8 };
    const texts = [column("question", "What boils?"), column("context", context)];
    const asked = { question: "What boils?", context };
    const answers = [
      await qa.post(predict, { inputs: asked, parameters }),
      await qa.post(predict, { instances: [asked], parameters }),
      await qa.post(infer, { inputs: texts, parameters }),
    ];
    for (const { status, text } of answers) {
      assert.equal(status, 504, text);
      assert.match(text, /the request's own timeout is over/);
    }
    const wrong = { inputs: first?.inputs, parameters: { timeout: "soon" } };
    assert.match((await qa.post(predict, wrong)).text, /parameter timeout is \\"soon\\"/);
    const enough = { inputs: first?.inputs, parameters: { timeout: 60_000_000, priority: 1 } };
    assert.equal((await qa.post(predict, enough)).status, 200);
  });

  it("tokenises a long text beside the loop: health is answered meanwhile", async () => {
    const context = "Water boils at one hundred degrees. ".repeat(700);
    const body = { inputs: { question: "What boils?", context }, parameters: { doc_stride: 8 } };
    const asked = qa.post(predict, body);
    let answered = 0;
    const over = asked.then(() => true);
    const no = Promise.resolve(false);
    while (!(await Promise.race([over, no]))) {
      assert.equal((await qa.get("/v2/health/live")).status, 200);
      answered++;
    }
    assert.equal((await asked).status, 200, (await asked).text);
    assert(answered > 3, `only ${answered} health answers`);
  });
});

type QaAnswer = { answer: unknown; score: unknown; start: unknown; end: unknown };

function assertAnswer(ours: unknown, theirs: object | undefined): void {
  const { score, ...rest } = ours as QaAnswer;
  const { score: expected, ...others } = theirs as QaAnswer;
  assert.deepEqual(rest, others);
  assert(Math.abs(Number(score) - Number(expected)) < 1e-4, String(score));
}

describe("the other tasks", () => {
  it("classify pictures sent as bytes, as base64 and as data: URLs", async () => {
    const predictor = await serve("image-classification");
    const picture = readFileSync(join(fixtures, "image-classification/tall.png"));
    const base64 = picture.toString("base64");
    const { cases } = JSON.parse(
      readFileSync(join(fixtures, "image-classification/expected.json"), "utf8"),
    ) as { cases: { file: string; answer: { label: string }[] }[] };
    const expected = cases.find(({ file }) => file === "tall.png")?.answer[0]?.label;
    const v1 = await predictor.post(predict, {
      instances: [{ image: { b64: base64 } }, base64, `data:image/png;base64,${base64}`],
    });
    const { predictions } = v1.json as { predictions: { label: string }[][] };
    assert.deepEqual(
      predictions.map(([best]) => best?.label),
      [expected, expected, expected],
      v1.text,
    );
    const head = { inputs: [{ name: "image", datatype: "BYTES", shape: [1] }] };
    const sized = { ...head.inputs[0], parameters: { binary_data_size: picture.length + 4 } };
    const json = Buffer.from(JSON.stringify({ inputs: [sized], outputs: [{ name: "label" }] }));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(picture.length);
    const headers = { "inference-header-content-length": String(json.length) };
    const v2 = await predictor.post(infer, Buffer.concat([json, length, picture]), { headers });
    assert.equal(v2.status, 200, v2.text);
    const { outputs } = v2.json as { outputs: { data: string[] }[] };
    assert.deepEqual(outputs[0]?.data, [expected], v2.text);
    const bare = await predictor.post(infer, picture, {
      headers: { "inference-header-content-length": "0" },
    });
    assert.equal(bare.status, 200, bare.text);
    for (const bad of ["", "AAAA", Buffer.from(picture.subarray(0, 900)).toString("base64")]) {
      const refused = await predictor.post(predict, { instances: [bad] });
      assert.equal(refused.status, 400, refused.text);
    }
  });

  it("embed texts as one FP32 tensor when they are pooled", async () => {
    const predictor = await serve("feature-extraction");
    const body = { inputs: [column("text", "one", "two words")], parameters: { pooling: "mean" } };
    const { json, text } = await predictor.post(infer, body);
    const { outputs } = json as { outputs: { name: string; shape: number[] }[] };
    assert.deepEqual([outputs[0]?.name, outputs[0]?.shape], ["embedding", [2, 32]], text);
    const ragged = await predictor.post(infer, { inputs: body.inputs });
    assert.match(ragged.text, /different lengths: set the parameter/);
  });

  it("generate text: whole, streamed, and the same again with a seed", async () => {
    const predictor = await serve("text-generation");
    const [row] = casesOf("text-generation") as unknown as {
      inputs: string;
      answer: [{ generated_text: string }];
    }[];
    const parameters = { max_new_tokens: 12 };
    const body = { instances: [{ text: row?.inputs }], parameters };
    const named = { text_input: row?.inputs, max_tokens: 12, temperature: 0, do_sample: true };
    const whole = await predictor.post("/v2/models/m/generate", named);
    const { text_output: output } = whole.json as { text_output: string };
    assert.equal(`${row?.inputs}${output}`, row?.answer[0].generated_text, whole.text);
    const { json, text } = await predictor.post(predict, body);
    assert.deepEqual(json, { predictions: row?.answer }, text);
    const asked = { text_input: row?.inputs, parameters };
    const stream = await predictor.post("/v2/models/m/generate_stream", asked);
    const pieces = stream.text
      .split("\n\n")
      .filter((event) => event !== "")
      .map((event) => (JSON.parse(event.slice(6)) as { text_output: string }).text_output);
    assert(pieces.length > 3, stream.text);
    assert.equal(row?.inputs + pieces.join(""), row?.answer[0].generated_text);
    const sampled = { ...parameters, do_sample: true, seed: 42, temperature: 2 };
    const [one, two, other] = await Promise.all(
      [sampled, sampled, { ...sampled, seed: 43 }].map(async (given) =>
        predictor.post("/v2/models/m/generate", { ...asked, parameters: given }),
      ),
    );
    assert.equal(one?.text, two?.text);
    assert.notEqual(one?.text, other?.text);
    const hasty = { ...asked, parameters: { max_new_tokens: 500, timeout: 1000 } };
    const late = await predictor.post("/v2/models/m/generate", hasty);
    assert.equal(late.status, 504, late.text);
  });

  for (const name of ["translation", "summarization"]) {
    it(`do ${name} by a model of three graphs, the task given by name`, async () => {
      const predictor = await serve("text2text-generation", { MODEL_TASK: name });
      const [row] = casesOf(name);
      const body = { inputs: row?.inputs, parameters: row?.parameters };
      const { json, text } = await predictor.post(predict, body);
      assert.deepEqual(json, row?.answer, text);
    });
  }
});

describe("a task that can't be", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pilotlight-task-"));
    await cp(join(fixtures, "question-answering"), folder, { recursive: true });
    await writeFile(join(folder, "tokenizer.json"), '{"model":{"type":"Sorcery"}}');
  });
  after(async () => rm(folder, { recursive: true }));

  it("is a failed load when it was asked for", async () => {
    const predictor = new TestPredictor({ STORAGE_URI: folder, MODEL_TASK: "question-answering" });
    assert.equal(await predictor.exited, 65);
    assert.match(predictor.errors, /task question-answering: /);
  });

  it("leaves the tensors when config.json only suggested it", async () => {
    const predictor = await serve(folder);
    const { json } = await predictor.get("/v2/models/m");
    const { inputs } = json as { inputs: { name: string }[] };
    assert.deepEqual(
      inputs.map(({ name }) => name),
      ["input_ids", "attention_mask"],
    );
  });

  it("is no task with MODEL_TASK=none", async () => {
    const predictor = await serve("question-answering", { MODEL_TASK: "none" });
    assert.match((await predictor.get("/v2/models/m")).text, /"input_ids"/);
  });
});
