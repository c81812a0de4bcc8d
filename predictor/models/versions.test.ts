/** An older version that can't be loaded, in a service of one model and in a repository of many. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { after, before, describe, it } from "mocha";
import { weightyModel } from "../../hack/models/weighty.ts";
import { GrpcTestClient, grpcPort } from "../grpc/testing/client.ts";
import { makeFolder } from "../storage/testing/folder.ts";
import type { TestFolder } from "../storage/testing/folder.ts";
import { TestPredictor } from "../testing/test-predictor.ts";

const inputs = [{ name: "x", datatype: "FP32", shape: [1, 1], data: [3] }];

const kinds = [
  { repository: false, why: "of a service's only model", failure: "version can't be loaded" },
  { repository: true, why: "of a model among many", failure: "model can't be loaded" },
];
for (const { repository, why, failure } of kinds) {
  describe(`a broken older version ${why}`, () => {
    let folder: TestFolder;
    let predictor: TestPredictor;
    let client: GrpcTestClient;

    before(async function () {
      this.timeout(60_000);
      folder = await makeFolder();
      const put = async (version: string, content: Uint8Array | string): Promise<void> => {
        await mkdir(join(folder.path, "m", version), { recursive: true });
        await writeFile(join(folder.path, "m", version, "model.onnx"), content);
      };
      await put("1", "this is no model");
      await put("2", weightyModel(1024, 2));
      predictor = await TestPredictor.serving({
        STORAGE_URI: repository ? folder.path : join(folder.path, "m"),
        MODEL_REPOSITORY: String(repository),
        MODEL_EXECUTORS: "1",
        GRPC_PORT: "0",
      });
      client = new GrpcTestClient(await grpcPort(predictor));
    });

    after(async () => {
      client[Symbol.dispose]();
      await predictor[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    });

    it("is answered for with its reason, and tried once for many requests", async () => {
      const says = /version 1 of the model "m" can't be loaded: Load model/;
      for (let times = 0; times < 3; times++) {
        const answers = [
          await predictor.post("/v2/models/m/versions/1/infer", { inputs }),
          await predictor.get("/v2/models/m/versions/1/ready"),
          await predictor.get("/v2/models/m/versions/1"),
        ];
        for (const { status: got, json } of answers) {
          assert.equal(got, 503, JSON.stringify(json));
          assert.match((json as { error: string }).error, says);
        }
      }
      const request = { model_name: "m", model_version: "1", inputs: [] };
      const { code, details } = await client.call("ModelInfer", request);
      assert.equal(code, status.UNAVAILABLE, details);
      assert.match(details, says);
      await predictor.logged(failure);
      const tries = predictor.log.filter(({ message }) => message === failure).length;
      // More than one only where the first second was over before the last request.
      assert(tries >= 1 && tries <= 3, `${tries} tries`);
      if (!repository) return;
      const failures = await predictor.metric("pilotlight_model_load_failures_total ");
      await predictor.logged(failure, failures);
      assert.equal(failures, predictor.log.filter(({ message }) => message === failure).length);
    });

    it("does no harm to the newest", async () => {
      const { status: got, json } = await predictor.post("/v2/models/m/infer", { inputs });
      assert.equal(got, 200);
      const { outputs } = json as { outputs: { data: number[] }[] };
      assert.equal(outputs[0]?.data[0], 6);
    });

    it("is served once it was mended, at a later try", async function () {
      this.timeout(60_000);
      await writeFile(join(folder.path, "m", "1", "model.onnx"), weightyModel(1024, 1));
      const ask = async () => predictor.post("/v2/models/m/versions/1/infer", { inputs });
      let answer = await ask();
      while (answer.status === 503) answer = await ask();
      assert.equal(answer.status, 200, answer.text);
    });
  });
}
