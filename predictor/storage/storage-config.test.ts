import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { StorageConfigError, withStorageConfig } from "./storage-config.ts";

const SECRET = JSON.stringify({
  type: "s3",
  access_key_id: "id",
  secret_access_key: "key",
  endpoint_url: "https://store.example.com",
  bucket: "models",
  region: "eu-1",
});

describe("withStorageConfig", () => {
  it("leaves an environment without it alone", () => {
    const environment = { STORAGE_URI: "s3://a/b" };
    assert.equal(withStorageConfig(environment), environment);
  });

  it("makes the URI and the credentials of the Secret's JSON and the path", () => {
    const found = withStorageConfig({ STORAGE_CONFIG: SECRET, STORAGE_PATH: "/iris/1" });
    assert.equal(found["STORAGE_URI"], "s3://models/iris/1");
    assert.equal(found["AWS_ACCESS_KEY_ID"], "id");
    assert.equal(found["AWS_SECRET_ACCESS_KEY"], "key");
    assert.equal(found["AWS_ENDPOINT_URL_S3"], "https://store.example.com");
    assert.equal(found["AWS_REGION"], "eu-1");
  });

  it("lets parameters win over the Secret, and variables over both", () => {
    const found = withStorageConfig({
      STORAGE_CONFIG: SECRET,
      STORAGE_OVERRIDE_CONFIG: '{"bucket": "other", "anonymous": "True"}',
      AWS_REGION: "us-9",
    });
    assert.equal(found["STORAGE_URI"], "s3://other/");
    assert.equal(found["S3_ANONYMOUS"], "true");
    assert.equal(found["AWS_REGION"], "us-9");
  });

  const wrong: readonly (readonly [why: string, config: string, message: RegExp])[] = [
    ["no JSON", "{", /STORAGE_CONFIG must be a JSON object/],
    ["no object", "[]", /STORAGE_CONFIG must be a JSON object/],
    ["no bucket", "{}", /names no bucket/],
    ["another store", '{"type": "hdfs", "bucket": "a"}', /has the type "hdfs"/],
  ];
  for (const [why, STORAGE_CONFIG, message] of wrong) {
    it(`refuses ${why}, and repeats no secret`, () => {
      assert.throws(
        () => withStorageConfig({ STORAGE_CONFIG }),
        (error) => {
          assert.ok(error instanceof StorageConfigError);
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }
});
