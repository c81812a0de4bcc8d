import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { credentials, makeGenericClientConstructor, status } from "@grpc/grpc-js";
import type { ServiceError } from "@grpc/grpc-js";
import { irisPath, TestPredictor } from "../testing/test-predictor.ts";

/** Bytes as they are: our own reading and writing of messages is what is tested. */
const asIs = (bytes: Buffer): Buffer => bytes;
const Health = makeGenericClientConstructor(
  {
    Check: {
      path: "/grpc.health.v1.Health/Check",
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  },
  "Health",
);
type Check = (request: Buffer, answer: (error: ServiceError | null, bytes: Buffer) => void) => void;

describe("grpc.health.v1", () => {
  let predictor: TestPredictor;
  let client: InstanceType<typeof Health>;
  before(async () => {
    predictor = await TestPredictor.serving({ STORAGE_URI: irisPath, PROTOCOL: "grpc-v2" });
    client = new Health(`127.0.0.1:${predictor.port}`, credentials.createInsecure());
  });
  after(async () => {
    client.close();
    await predictor[Symbol.asyncDispose]();
  });

  const check = async (service: string): Promise<Buffer | number> => {
    const name = Buffer.from(service);
    const request = service === "" ? name : Buffer.from([0x0a, name.length, ...name]);
    const { promise, resolve } = Promise.withResolvers<Buffer | number>();
    (client["Check"] as unknown as Check).call(client, request, (error, bytes) =>
      resolve(error === null ? bytes : error.code),
    );
    return promise;
  };

  it("says that the server and its service serve, and knows no other", async () => {
    const serving = Buffer.from([0x08, 1]);
    assert.deepEqual(await check(""), serving);
    assert.deepEqual(await check("inference.GRPCInferenceService"), serving);
    assert.equal(await check("rose"), status.NOT_FOUND);
  });
});
