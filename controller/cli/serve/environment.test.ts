import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { predictorEnvironment } from "./environment.ts";
import { planOf } from "./testing/plans.ts";

const place = { port: 4711, modelDir: "/tmp/m", terminationLog: "/tmp/t" };

describe("predictorEnvironment", () => {
  it("fills in the contract", () => {
    const plan = planOf({ containerConcurrency: 4, timeoutSeconds: 30 });
    assert.deepEqual(predictorEnvironment(plan, place, {}), {
      PORT: "4711",
      HOST: "127.0.0.1",
      MODEL_NAME: "iris",
      STORAGE_URI: "file:///models/iris",
      MODEL_DIR: "/tmp/m",
      CONTAINER_CONCURRENCY: "4",
      REQUEST_TIMEOUT_SECONDS: "30",
      TERMINATION_LOG: "/tmp/t",
      PARENT_LIVENESS: "stdin",
    });
  });

  it("inherits credentials and what tunes the machine, and nothing else", () => {
    const inherited = {
      PATH: "/bin",
      AWS_REGION: "eu-west-1",
      LOG_LEVEL: "debug",
      NODE_OPTIONS: "--inspect",
      MODEL_NAME: "stray",
      GITHUB_TOKEN: "secret",
      HOME: undefined,
    };
    const env = predictorEnvironment(planOf({}), place, inherited);
    assert.equal(env["PATH"], "/bin");
    assert.equal(env["AWS_REGION"], "eu-west-1");
    assert.equal(env["LOG_LEVEL"], "debug");
    assert.equal(env["MODEL_NAME"], "iris");
    assert.deepEqual(
      ["NODE_OPTIONS", "GITHUB_TOKEN", "HOME"].filter((name) => name in env),
      [],
    );
  });

  it("lets the manifest win over what is inherited, and the contract over both", () => {
    const plan = planOf({ env: { LOG_LEVEL: "warn", PORT: "1" } });
    const env = predictorEnvironment(plan, place, { LOG_LEVEL: "debug" });
    assert.equal(env["LOG_LEVEL"], "warn");
    assert.equal(env["PORT"], "4711");
  });
});
