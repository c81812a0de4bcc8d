import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { irisPath, TestPredictor } from "../testing/test-predictor.ts";

const ours = "https://app.example.com";
const infer = "/v2/models/iris/infer";

describe("cross-origin requests", () => {
  let some: TestPredictor;
  let any: TestPredictor;
  let none: TestPredictor;

  before(async () => {
    const settings = { STORAGE_URI: irisPath, MODEL_NAME: "iris" };
    some = await TestPredictor.serving({
      ...settings,
      CORS_ORIGINS: `${ours}, https://other.example.com`,
    });
    any = await TestPredictor.serving({ ...settings, CORS_ORIGINS: "*" });
    none = await TestPredictor.serving(settings);
  });
  after(async () => {
    for (const each of [some, any, none]) await each[Symbol.asyncDispose]();
  });

  const preflight = async (predictor: TestPredictor, origin: string) =>
    predictor.get(infer, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
      },
    });

  it("lets an origin of the list ask, after a preflight", async () => {
    const answer = await preflight(some, ours);
    assert.equal(answer.status, 204);
    assert.equal(answer.headers.get("access-control-allow-origin"), ours);
    assert.equal(answer.headers.get("access-control-allow-methods"), "GET, HEAD, POST");
    assert.equal(answer.headers.get("access-control-allow-headers"), "content-type");
    assert.equal(answer.headers.get("vary"), "origin");
    const refused = await some.post(infer, {}, { headers: { origin: ours } });
    assert.equal(refused.status, 400);
    assert.equal(refused.headers.get("access-control-allow-origin"), ours, "faults can be read");
  });

  it("gives other origins nothing", async () => {
    const answer = await preflight(some, "https://evil.example.com");
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.get("access-control-allow-origin"), null);
  });

  it("lets all ask when it says *", async () => {
    const answer = await preflight(any, "https://anybody.example.com");
    assert.equal(answer.headers.get("access-control-allow-origin"), "*");
  });

  it("is off unless it is configured", async () => {
    const answer = await preflight(none, ours);
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.get("access-control-allow-origin"), null);
  });
});
