import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { irisPath, TestPredictor } from "../testing/test-predictor.ts";
import { tokenCheck } from "./admin.ts";

let folder: string;
let iris: TestPredictor;
let admin: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "pilotlight-admin-"));
  for (const version of ["1", "2", "3"]) {
    await mkdir(join(folder, "iris", version), { recursive: true });
    await cp(irisPath, join(folder, "iris", version, "model.onnx"));
  }
  iris = await TestPredictor.serving({
    STORAGE_URI: join(folder, "iris"),
    VERSION_POLICY: "latest:2",
    ADMIN_PORT: "0",
    ADMIN_TOKEN: "let-me-in",
  });
  const port = iris.log.map((line) => (line as { adminPort?: number }).adminPort).find(Boolean);
  admin = `http://127.0.0.1:${port}`;
});
after(async () => {
  await iris[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function ask(
  path: string,
  { method = "POST", token = "let-me-in", body }: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; json: unknown }> {
  const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
  const init = { method, headers, ...(body === undefined ? {} : { body }) };
  const response = await fetch(admin + path, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, json: JSON.parse(text) as unknown };
}

describe("the administration's port", () => {
  it("lists a version of the model per entry, whether the request has a body or none", async () => {
    const entry = (version: string): object => ({
      name: "iris",
      version,
      state: "READY",
      reason: "",
    });
    for (const body of [undefined, "", "{}", '{"ready":true}']) {
      const { status, json } = await ask(
        "/v2/repository/index",
        body === undefined ? {} : { body },
      );
      assert.deepEqual([status, json], [200, [entry("2"), entry("3")]], String(body));
    }
  });
  it("is for the bearer of the token only", async () => {
    for (const token of ["", "let-me-im", "let-me-in-", "LET-ME-IN"]) {
      for (const path of ["/v2/repository/index", "/v2", "/nowhere"]) {
        const { status, headers, json } = await ask(path, { token });
        assert.equal(status, 401, token);
        assert.match(headers.get("www-authenticate") ?? "", /^Bearer/);
        assert.match((json as { error: string }).error, /ADMIN_TOKEN/);
      }
    }
  });
  const rows: { why: string; path: string; method?: string; body?: string; status: number }[] = [
    { why: "GET of the index", path: "/v2/repository/index", method: "GET", status: 405 },
    { why: "an unknown path", path: "/v2/repository/models/iris/explode", status: 404 },
    { why: "an unknown model", path: "/v2/repository/models/rose/load", status: 404 },
    { why: "an unknown model to unload", path: "/v2/repository/models/rose/unload", status: 404 },
    { why: "no JSON", path: "/v2/repository/index", body: "{", status: 400 },
    { why: "a ready that is none", path: "/v2/repository/index", body: '{"ready":1}', status: 400 },
    {
      why: "a model in the request",
      path: "/v2/repository/models/iris/load",
      body: '{"parameters":{"file:1/model.onnx":"AAAA"}}',
      status: 400,
    },
    { why: "inference", path: "/v2/models/iris/infer", body: "{}", status: 404 },
  ];
  for (const { why, path, method = "POST", body, status } of rows) {
    it(`of ${why} is ${status}`, async () => {
      const answer = await ask(path, { method, ...(body === undefined ? {} : { body }) });
      assert.equal(answer.status, status);
      assert.equal(typeof (answer.json as { error: unknown }).error, "string");
    });
  }
  it("loads a model that is there", async () => {
    const { status, json } = await ask("/v2/repository/models/iris/load");
    assert.deepEqual([status, json], [200, { name: "iris", load: true }]);
  });
  it("has no second door at the service's port", async () => {
    assert.equal((await iris.post("/v2/repository/index", "")).status, 404);
    assert.equal((await iris.post("/v2/repository/models/iris/unload", "")).status, 404);
    const { json } = await iris.get("/v2");
    assert((json as { extensions: string[] }).extensions.includes("model_repository"));
  });
});

describe("a token", () => {
  it("is compared as a whole", () => {
    const allowed = tokenCheck("secret");
    assert(allowed("Bearer secret") && allowed("bearer  secret"));
    for (const wrong of [undefined, "", "secret", "Basic secret", "Bearer", "Bearer secre"]) {
      assert(!allowed(wrong), String(wrong));
    }
  });
});

describe("versions by policy", () => {
  it("are listed, served, and no others", async () => {
    const { json } = await iris.get("/v2/models/iris");
    assert.deepEqual((json as { versions: string[] }).versions, ["2", "3"]);
    assert.equal((await iris.get("/v2/models/iris/versions/1")).status, 404);
    assert.equal((await iris.get("/v2/models/iris/versions/2/ready")).status, 200);
  });
});

describe("statistics and configuration", () => {
  const flowers = { name: "input", datatype: "FP32", shape: [2, 4], data: Array(8).fill(1) };
  it("count requests, rows and failures of a version", async () => {
    const before = await statistics();
    assert.equal((await iris.post("/v2/models/iris/infer", { inputs: [flowers] })).status, 200);
    assert.equal((await iris.post("/v2/models/iris/infer", { inputs: [] })).status, 400);
    const { version, inference_count, execution_count, inference_stats, ...after } =
      await statistics();
    assert.equal(version, "3");
    assert.equal(inference_count - before.inference_count, 2);
    assert.equal(execution_count - before.execution_count, 1);
    for (const stage of ["success", "fail", "queue", "compute_infer"] as const) {
      const [now, then] = [inference_stats[stage], before.inference_stats[stage]];
      assert.equal((now?.count ?? 0) - (then?.count ?? 0), 1, stage);
      assert((now?.ns ?? 0) >= (then?.ns ?? 0), stage);
    }
    assert.deepEqual(after.batch_stats.at(-1)?.batch_size, 2);
    assert(Math.abs(after.last_inference - Date.now()) < 600_000);
  });
  it("are of Triton's shape for one version, a model and all", async () => {
    for (const path of ["/v2/models/iris/versions/3/stats", "/v2/models/stats"]) {
      const { json } = await iris.get(path);
      const [only, ...others] = (json as { model_stats: { name: string }[] }).model_stats;
      assert.deepEqual([only?.name, others], ["iris", []], path);
    }
    assert.equal((await iris.get("/v2/models/rose/stats")).status, 404);
  });
  it("say how the model is batched", async () => {
    const { json } = await iris.get("/v2/models/iris/config");
    assert.deepEqual(json, {
      name: "iris",
      platform: "onnxruntime_onnx",
      backend: "onnxruntime",
      max_batch_size: 32,
      input: [{ name: "input", data_type: "TYPE_FP32", dims: [4] }],
      output: [
        { name: "label", data_type: "TYPE_INT64", dims: [] },
        { name: "probabilities", data_type: "TYPE_FP32", dims: [3] },
      ],
      dynamic_batching: { preferred_batch_size: [], max_queue_delay_microseconds: 0 },
    });
  });

  type Statistics = {
    version: string;
    last_inference: number;
    inference_count: number;
    execution_count: number;
    inference_stats: Record<string, { count: number; ns: number }>;
    batch_stats: { batch_size: number }[];
  };
  async function statistics(): Promise<Statistics> {
    const { json } = await iris.get("/v2/models/iris/stats");
    const [only] = (json as { model_stats: Statistics[] }).model_stats;
    assert(only);
    return only;
  }
});
