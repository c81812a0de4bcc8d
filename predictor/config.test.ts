import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { ConfigError, parseConfig } from "./config.ts";

describe("configuration", () => {
  it("has the contract's defaults", () => {
    const { environment: _, ...config } = parseConfig([], {});
    assert.deepEqual(config, {
      port: 8080,
      host: "0.0.0.0",
      modelDir: "/mnt/models",
      containerConcurrency: Number.POSITIVE_INFINITY,
      queueDepthMax: 1000,
      batchSizeMax: 32,
      batchLatencyMs: 0,
      executors: 1,
      requestTimeoutMs: 300_000,
      drainTimeoutMs: 300_000,
      executionProviders: ["cpu"],
      bodyBytesMax: 67_108_864,
      connectionsMax: 4096,
      modelBytesMax: 10_737_418_240,
      modelTask: "auto",
      handlersAllowed: false,
      handlerTimeoutMs: 60_000,
      logLevel: "info",
      terminationLog: "/dev/termination-log",
      events: {},
      grpcShared: false,
      versionPolicy: { is: "all" },
    });
  });

  it("takes a flag before the environment, in both spellings", () => {
    const environment = { MODEL_NAME: "a", PORT: "1", REQUEST_TIMEOUT_SECONDS: "0.5" };
    assert.equal(parseConfig([], environment).modelName, "a");
    assert.equal(parseConfig(["--model-name", "b"], environment).modelName, "b");
    assert.equal(parseConfig(["--model_name=c"], environment).modelName, "c");
    assert.equal(parseConfig([], environment).requestTimeoutMs, 500);
    assert.equal(parseConfig([], environment).drainTimeoutMs, 500, "like the request timeout");
  });

  it("takes an empty variable for none", () => {
    assert.equal(parseConfig([], { PORT: "", STORAGE_URI: "" }).port, 8080);
    assert.equal(parseConfig([], { STORAGE_URI: "" }).storageUri, undefined);
  });

  it("gives flags to the storage as if they were environment", () => {
    const { environment } = parseConfig(["--aws-region=x"], { AWS_REGION: "y", OTHER: "z" });
    assert.deepEqual(environment, { AWS_REGION: "x", OTHER: "z" });
  });

  it("reports all mistakes at once", () => {
    const environment = {
      PORT: "70000",
      REQUEST_TIMEOUT_SECONDS: "soon",
      QUEUE_DEPTH_MAX: "-1",
      BODY_BYTES_MAX: "1e9",
      LOG_LEVEL: "loud",
      S3_ANONYMOUS: "true",
      AWS_ACCESS_KEY_ID: "k",
      MODEL_NAME: "a/b",
    };
    const args = ["--no-such-flag=1", "stray", "--host"];
    assert.throws(
      () => parseConfig(args, environment),
      (error: unknown) => {
        assert(error instanceof ConfigError);
        const mistakes = error.message.split("; ");
        const about = mistakes.map((each) => /[\w-]*[A-Z_]{4,}|--[\w-]+|stray/.exec(each)?.[0]);
        assert.deepEqual(
          about.toSorted((left = "", right = "") => (left < right ? -1 : 1)),
          [
            "--host",
            "--no-such-flag",
            "AWS_ACCESS_KEY_ID",
            "BODY_BYTES_MAX",
            "LOG_LEVEL",
            "MODEL_NAME",
            "PORT",
            "QUEUE_DEPTH_MAX",
            "REQUEST_TIMEOUT_SECONDS",
            "S3_ANONYMOUS",
            "stray",
          ],
        );
        return true;
      },
    );
  });
});
