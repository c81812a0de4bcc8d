/** Handlers through the predictor's own HTTP: what goes wrong in one, and who pays for it. */
import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "mocha";
import { irisPath, TestPredictor } from "../testing/test-predictor.ts";

const predict = "/v1/models/m:predict";
const flower = { instances: [[5.1, 3.5, 1.4, 0.2]] };
const started: TestPredictor[] = [];
let folder = "";
let count = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "pilotlight-handler-"));
});
after(async () => rm(folder, { recursive: true }));
afterEach(async () => {
  for (const each of started.splice(0)) await each[Symbol.asyncDispose]();
});

/** A model's folder with a handler in it. */
async function modelWith(code: string, name = "handler.js"): Promise<string> {
  const model = join(folder, String(count++));
  await mkdir(model);
  await copyFile(irisPath, join(model, "model.onnx"));
  await writeFile(join(model, name), code);
  return model;
}

function start(storage: string, environment: Record<string, string> = {}): TestPredictor {
  const predictor = new TestPredictor({
    STORAGE_URI: storage,
    MODEL_NAME: "m",
    LOG_LEVEL: "info",
    HANDLERS_ALLOWED: "true",
    ...environment,
  });
  started.push(predictor);
  return predictor;
}

async function serve(
  code: string,
  environment: Record<string, string> = {},
  name = "handler.js",
): Promise<TestPredictor> {
  const predictor = start(await modelWith(code, name), environment);
  await predictor.logged("serving");
  return predictor;
}

describe("a handler in the model's folder", () => {
  it("runs only where that is allowed, and the log says so", async () => {
    const predictor = await serve("export const preprocess = () => { throw new Error('ran'); };", {
      HANDLERS_ALLOWED: "false",
    });
    assert.equal((await predictor.post(predict, flower)).status, 200);
    const notes = JSON.stringify(predictor.log.find(({ message }) => message === "serving"));
    assert.match(notes, /handler\.js in the model's folder is not run: set HANDLERS_ALLOWED=true/);
  });

  it("may be TypeScript, CommonJS, or export everything as its default", async () => {
    const body = "({ body: { answered: true } })";
    for (const [name, code] of [
      ["handler.ts", `export const postprocess = (r: { status: number }): object => ${body};`],
      ["handler.cjs", `module.exports = { postprocess: () => ${body} };`],
      ["handler.mjs", `export default { postprocess: async () => ${body} };`],
    ] as const) {
      const predictor = await serve(code, {}, name);
      const { json } = await predictor.post(predict, flower);
      assert.deepEqual(json, { answered: true }, name);
    }
  });

  const broken: { why: string; name: string; code: string; says: RegExp }[] = [
    {
      why: "throws in load",
      name: "handler.js",
      code: "\n\nexport function load() {\n  throw new Error('no database');\n}\n",
      says: /handler\.js:4: no database/,
    },
    {
      why: "is no JavaScript",
      name: "handler.js",
      code: "export const a = 1;\nexport const preprocess = (=> 1;\n",
      says: /handler\.js:2: /,
    },
    {
      why: "imports what isn't there",
      name: "handler.ts",
      code: 'import { a } from "./absent.js";\nexport const load = (): void => a();\n',
      says: /handler\.ts.*absent/,
    },
    {
      why: "exports nothing of use",
      name: "handler.js",
      code: "export const x = 1;",
      says: /none of/,
    },
    {
      why: "exports what is no function",
      name: "handler.js",
      code: "export const load = 1;",
      says: /its export load is no function/,
    },
  ];
  for (const { why, name, code, says } of broken) {
    it(`that ${why} is a failed load, with the place`, async () => {
      const predictor = start(await modelWith(code, name));
      assert.equal(await predictor.exited, 65);
      assert.match(predictor.errors, says);
    });
  }
});

describe("an error in a hook", () => {
  it("is that request's: 400 by its status, else 500 without the reason, which is logged", async () => {
    const predictor = await serve(`
      export async function preprocess({ body }) {
        if (body.who === "client") throw Object.assign(new Error("no such who"), { status: 400 });
        if (body.who === "us") throw new Error("password=secret");
        if (body.who === "json") return { body: { instances: "none" } };
      }`);
    const [client, ours, invalid, good] = await Promise.all([
      predictor.post(predict, { who: "client" }),
      predictor.post(predict, { who: "us" }),
      predictor.post(predict, { who: "json" }),
      predictor.post(predict, flower),
    ]);
    assert.deepEqual([client.status, client.json], [400, { error: "no such who" }]);
    assert.deepEqual([ours.status, ours.json], [500, { error: "the handler's preprocess failed" }]);
    assert.equal(invalid.status, 400);
    assert.equal(good.status, 200);
    assert.match(JSON.stringify(predictor.log), /password=secret/);
  });

  it("is the end of a thread, not of the predictor, when it exits or never awaits", async () => {
    const predictor = await serve(`
      export function preprocess({ body }) {
        if (body.what === "exit") process.exit(1);
        if (body.what === "throw") setImmediate(() => { throw new Error("nobody's"); });
        if (body.what === "throw") return new Promise(() => {});
      }`);
    for (const what of ["exit", "throw"]) {
      const { status, json } = await predictor.post(predict, { what });
      assert.deepEqual([status, json], [500, { error: "the handler ended unexpectedly" }]);
      while ((await predictor.get("/v2/health/ready")).status !== 200);
      assert.equal((await predictor.post(predict, flower)).status, 200);
    }
  });

  it("is 504 when it takes too long, even in a loop without end; health is answered", async () => {
    const predictor = await serve(
      `export async function preprocess({ body }, { signal }) {
        if (body.what === "loop") for (;;);
        if (body.what === "wait") await new Promise((resolve) =>
          signal.addEventListener("abort", resolve));
      }`,
      { HANDLER_TIMEOUT_SECONDS: "1" },
    );
    assert.equal((await predictor.post(predict, { what: "wait" })).status, 504);
    const looping = predictor.post(predict, { what: "loop" });
    let answers = 0;
    const over = looping.then(() => true);
    const not = Promise.resolve(false);
    while (!(await Promise.race([over, not]))) {
      assert.equal((await predictor.get("/v2/health/live")).status, 200);
      answers++;
    }
    assert.equal((await looping).status, 504);
    assert(answers > 10, `only ${answers} health answers`);
    await predictor.logged("executor replaced");
    while ((await predictor.get("/v2/health/ready")).status !== 200);
    assert.equal((await predictor.post(predict, flower)).status, 200);
  });
});

describe("a hook that waits", () => {
  it("holds no inference up: the slot is held for the run alone", async () => {
    const gate = createServer().listen(0, "127.0.0.1");
    await once(gate, "listening");
    const { port } = gate.address() as AddressInfo;
    const predictor = await serve(
      `export async function postprocess(_, { request }) {
        if (request.headers["x-wait"]) await fetch("http://127.0.0.1:${port}");
      }`,
      { CONTAINER_CONCURRENCY: "1" },
    );
    const held = once(gate, "request");
    const waiting = predictor.post(predict, flower, { headers: { "x-wait": "1" } });
    const [, response] = (await held) as [unknown, { end: () => void }];
    assert.equal((await predictor.post(predict, flower)).status, 200, "served meanwhile");
    response.end();
    assert.equal((await waiting).status, 200);
    gate.closeAllConnections();
    gate.close();
  });
});

describe("bodies of a handler", () => {
  it("are bytes where they are no JSON: in, into the model, and out", async () => {
    const predictor = await serve(`
      export function preprocess({ body, headers }) {
        if (headers["content-type"] !== "text/csv") return;
        const rows = Buffer.from(body).toString().trim().split("\\n");
        const data = rows.flatMap((row) => row.split(",").map(Number));
        const input = { name: "input", datatype: "FP32", shape: [rows.length, 4], data };
        return { body: { inputs: [input] } };
      }
      export function postprocess({ body }) {
        const label = body.outputs.find(({ name }) => name === "label");
        return { body: Buffer.from(label.data.join("\\n")), contentType: "text/csv" };
      }`);
    const csv = "5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n";
    const headers = { "content-type": "text/csv" };
    const answer = await predictor.post("/v2/models/m/infer", csv, { headers });
    assert.equal(answer.headers.get("content-type"), "text/csv");
    assert.equal(answer.text, "0\n2");
  });
});
