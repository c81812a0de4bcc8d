import assert from "node:assert/strict";
import { Validator } from "@seriousme/openapi-schema-validator";
import { after, before, describe, it } from "mocha";
import { irisPath, TestPredictor } from "../testing/test-predictor.ts";
import { families } from "../http/app.ts";
import type { AppOptions } from "../http/routes/route.ts";
import { exampleRequest, openApi } from "./openapi.ts";
import type { TensorSpec } from "./tensor.ts";

const spec = (name: string, datatype: TensorSpec["datatype"], shape: number[]): TensorSpec => ({
  name,
  datatype,
  shape,
  dimensionNames: shape.map(() => ""),
});
const signature = {
  inputs: [spec("text", "BYTES", [-1, 1]), spec("flag", "BOOL", []), spec("x", "FP32", [2, 3])],
  outputs: [spec("y", "INT64", [-1])],
};

describe("the OpenAPI document", () => {
  it("is valid OpenAPI 3.1, with and without loaded models", async () => {
    const models = [
      { name: "one", signature },
      { name: "two words", signature },
    ];
    for (const described of [[], models]) {
      const validator = new Validator();
      const { valid, errors } = await validator.validate(
        structuredClone(openApi("1.2.3", described)),
      );
      assert.equal(valid, true, JSON.stringify(errors));
      assert.equal(validator.version, "3.1");
    }
  });

  it("makes an example of every input, of the least shape", () => {
    assert.deepEqual(exampleRequest(signature), {
      inputs: [
        { name: "text", shape: [1, 1], datatype: "BYTES", data: [""] },
        { name: "flag", shape: [], datatype: "BOOL", data: [false] },
        { name: "x", shape: [2, 3], datatype: "FP32", data: [0, 0, 0, 0, 0, 0] },
      ],
    });
  });
});

type Document = {
  info: { version: string };
  paths: Record<
    string,
    { post?: { requestBody: { content: Record<string, { example?: object }> } } }
  >;
};

describe("GET /openapi.json", () => {
  let predictor: TestPredictor;
  before(async () => {
    predictor = await TestPredictor.serving({ STORAGE_URI: irisPath, MODEL_NAME: "iris" });
  });
  after(async () => predictor[Symbol.asyncDispose]());

  it("describes the served model, and its example is a request that works", async () => {
    const { status, json } = await predictor.get("/openapi.json");
    assert.equal(status, 200);
    const { paths } = json as Document;
    const body = paths["/v2/models/iris/infer"]?.post?.requestBody.content["application/json"];
    assert(body?.example);
    const answer = await predictor.post("/v2/models/iris/infer", body.example);
    assert.equal(answer.status, 200, answer.text);
  });

  it("lists only paths that are served", async () => {
    const { json } = await predictor.get("/openapi.json");
    for (const path of Object.keys((json as Document).paths)) {
      const real = path.replace("{model}", "iris").replace("{version}", "1");
      const { status } = await predictor.get(real);
      assert.notEqual(status, 404, path);
    }
  });

  it("lists every path that is served, but the page's and KServe's explanations", async () => {
    const { json } = await predictor.get("/openapi.json");
    const listed = new Set(Object.keys((json as Document).paths));
    const routes: (string | RegExp)[] = [];
    for (const add of families) {
      add((path) => routes.push(path), { version: "1.2.3" } as AppOptions);
    }
    const served = routes.map((route) => String(route).replaceAll(/:(\w+)/g, "{$1}"));
    const missing = served.filter((path) => !listed.has(path));
    assert.deepEqual(missing.filter((path) => path.startsWith("/^")).length, 2, "predict, explain");
    const others = missing.filter((path) => !path.startsWith("/^"));
    assert.deepEqual(others, ["/docs", "/docs/page.js", "/docs/page.css", "/openapi.json"]);
    assert(listed.has("/v1/models/{model}:predict"));
  });

  it("leaves the root to tools as it was, and gives browsers the page", async () => {
    assert.equal((await predictor.get("/")).text, '{"status":"alive"}');
    const page = await predictor.get("/", { headers: { accept: "text/html,*/*;q=0.8" } });
    assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
    assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'/);
  });
});
