import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "mocha";
import { predictorEnvironment } from "./environment.ts";
import { planOf } from "./testing/plans.ts";

const CONTRACT = new URL("../../../docs/runtime-contract.md", import.meta.url);

/** The variables of the contract's rows from the first store's to the last one's. */
function storageVariables(): readonly string[] {
  const rows = readFileSync(CONTRACT, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  const at = (name: string): number => rows.findIndex((row) => row.startsWith(`| \`${name}\``));
  const stores = rows.slice(at("AWS_ACCESS_KEY_ID"), at("ALLOWED_HOSTS") + 1);
  return stores.flatMap((row) => row.split(" | ")[0]?.match(/[A-Z][A-Z0-9_]+/g) ?? []);
}

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

  describe("gives it what the runtime contract names for the stores", () => {
    const names = [...storageVariables(), "S3_ANONYMOUS"];
    for (const name of names) {
      it(name, () => {
        assert.equal(predictorEnvironment(planOf({}), place, { [name]: "x" })[name], "x");
      });
    }

    it("which is all of them", () => {
      const stores = ["AWS_REGION", "GS_ANONYMOUS", "AZURE_CLIENT_ID", "HF_TOKEN", "DOCKER_CONFIG"];
      assert.deepEqual(
        stores.filter((name) => !names.includes(name)),
        [],
      );
    });
  });

  it("lets the manifest win over what is inherited, and the contract over both", () => {
    const plan = planOf({ env: { LOG_LEVEL: "warn", PORT: "1" } });
    const env = predictorEnvironment(plan, place, { LOG_LEVEL: "debug" });
    assert.equal(env["LOG_LEVEL"], "warn");
    assert.equal(env["PORT"], "4711");
  });
});
