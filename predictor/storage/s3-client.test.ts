import assert from "node:assert/strict";
import { describe, it } from "mocha";

import { selectUrl } from "./s3-client.ts";

describe("selectUrl", () => {
  const endpoint = new URL("http://127.0.0.1:9000/base");
  const rows: readonly { bucket: string; key: string; at?: URL; want: string; why: string }[] = [
    {
      bucket: "models",
      key: "iris/model.onnx",
      want: "https://models.s3.eu-west-1.amazonaws.com/iris/model.onnx",
      why: "AWS' own style",
    },
    {
      bucket: "my.models",
      key: "a",
      want: "https://s3.eu-west-1.amazonaws.com/my.models/a",
      why: "a dot would not match the certificate",
    },
    {
      bucket: "models",
      key: "a",
      at: endpoint,
      want: "http://127.0.0.1:9000/base/models/a",
      why: "path style, below the endpoint's path",
    },
    {
      bucket: "models",
      key: "a b+c(1)é%2F",
      at: endpoint,
      want: "http://127.0.0.1:9000/base/models/a%20b%2Bc%281%29%C3%A9%252F",
      why: "encoded the way it is signed",
    },
  ];
  for (const { bucket, key, at, want, why } of rows) {
    it(`${key} of ${bucket}: ${why}`, () => {
      assert.equal(selectUrl({ bucket, key, shown: "x" }, at, "eu-west-1").href, want);
    });
  }
});
