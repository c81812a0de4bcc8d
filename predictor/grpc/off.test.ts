/** What of gRPC is off unless it is asked for. */
import assert from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import { describe, it } from "mocha";
import { irisPath, TestPredictor } from "../testing/test-predictor.ts";
import { GrpcTestClient, grpcPort } from "./testing/client.ts";

describe("gRPC, unless it is asked for", () => {
  it("is not there: its calls find a server of HTTP/1.1", async () => {
    await using iris = await TestPredictor.serving({ STORAGE_URI: irisPath });
    using client = new GrpcTestClient(Number(new URL(iris.url).port));
    const deadline = Date.now() + 5000;
    const { code } = await client.call("ServerLive", {}, { deadline });
    assert.equal(code, status.UNAVAILABLE);
    assert.equal(
      iris.log.some((line) => line["message"] === "gRPC listening"),
      false,
    );
  });

  it("changes no repository without ADMIN_TOKEN", async () => {
    await using iris = await TestPredictor.serving({ STORAGE_URI: irisPath, GRPC_PORT: "0" });
    using client = new GrpcTestClient(await grpcPort(iris));
    for (const [method, request] of [
      ["RepositoryIndex", {}],
      ["RepositoryModelLoad", { model_name: "iris" }],
      ["RepositoryModelUnload", { model_name: "iris" }],
    ] as const) {
      const { code, details } = await client.call(method, request, { token: "guess" });
      assert.deepEqual(
        [code, details],
        [status.UNIMPLEMENTED, "the repository is served with ADMIN_TOKEN only"],
      );
    }
  });
});
