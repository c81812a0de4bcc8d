import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "mocha";

import { readSecretFolder, selectS3Settings } from "./s3-settings.ts";
import { StorageError } from "./storage-error.ts";

const keys = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" };
const identity = { AWS_WEB_IDENTITY_TOKEN_FILE: "/token", AWS_ROLE_ARN: "arn:aws:iam::1:role/r" };

function kind(environment: object, secret: object = {}): string {
  return selectS3Settings({ ...environment }, { ...secret }, "s3://b").credentials.kind;
}

describe("selectS3Settings", () => {
  it("goes to AWS in us-east-1 unless told otherwise", () => {
    const { endpoint, region } = selectS3Settings(keys, {}, "s3://b");
    assert.deepEqual({ endpoint, region }, { endpoint: undefined, region: "us-east-1" });
  });

  it("prefers AWS_ENDPOINT_URL_S3 to AWS_ENDPOINT_URL, and AWS_REGION to its default", () => {
    const found = selectS3Settings(
      {
        ...keys,
        AWS_ENDPOINT_URL: "https://all.example",
        AWS_ENDPOINT_URL_S3: "http://s3.example:9000",
        AWS_REGION: "eu-west-1",
        AWS_DEFAULT_REGION: "eu-west-2",
      },
      {},
      "s3://b",
    );
    assert.equal(found.endpoint?.href, "http://s3.example:9000/");
    assert.equal(found.region, "eu-west-1");
  });

  it("takes keys, then the mounted Secret, then web identity, and anonymity only when told", () => {
    assert.equal(kind({ ...keys, ...identity }), "keys");
    assert.equal(kind(identity, keys), "keys");
    assert.equal(kind(identity), "web-identity");
    assert.equal(kind({ ...keys, S3_ANONYMOUS: "true" }), "anonymous");
    assert.throws(() => kind({}), /no credentials/);
  });

  it("never mixes the keys of two sources", () => {
    assert.throws(
      () => kind({ AWS_ACCESS_KEY_ID: "id" }, keys),
      (error) =>
        error instanceof StorageError &&
        error.code === "access-denied" &&
        /AWS_SECRET_ACCESS_KEY is missing in the environment/.test(error.message),
    );
  });

  it("treats empty variables as unset, which is what an optional Secret key becomes", () => {
    assert.equal(kind({ AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" }, keys), "keys");
  });

  it("exchanges the token in the region's own service", () => {
    const { credentials } = selectS3Settings({ ...identity, AWS_REGION: "cn-north-1" }, {}, "x");
    assert.ok(credentials.kind === "web-identity");
    assert.equal(credentials.endpoint.href, "https://sts.cn-north-1.amazonaws.com.cn/");
  });

  for (const url of ["ftp://x", "not a url", "https://user:pw@host"]) {
    it(`refuses the endpoint ${url}`, () => {
      assert.throws(
        () => kind({ ...keys, AWS_ENDPOINT_URL_S3: url }),
        (error) => error instanceof StorageError && !error.message.includes("pw"),
      );
    });
  }
});

describe("readSecretFolder", () => {
  it("reads files named like the variables, or like KServe names them, without final newlines", async () => {
    const folder = await mkdtemp(join(tmpdir(), "secret-"));
    try {
      await writeFile(join(folder, "awsAccessKeyID"), "id\n");
      await writeFile(join(folder, "AWS_SECRET_ACCESS_KEY"), "secret\n");
      assert.deepEqual(await readSecretFolder(folder), {
        AWS_ACCESS_KEY_ID: "id",
        AWS_SECRET_ACCESS_KEY: "secret",
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("says what a folder without keys lacks", async () => {
    await assert.rejects(readSecretFolder("/nonexistent"), /holds no AWS_ACCESS_KEY_ID/);
  });
});
