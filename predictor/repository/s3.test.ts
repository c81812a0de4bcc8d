/** Against a real S3 server, which checks real signatures. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { AwsV4Signer } from "aws4fetch";
import { after, before, describe, it } from "mocha";

import { StorageError } from "../storage/storage-error.ts";
import { tarGz } from "../storage/testing/tar-gz.ts";
import { canServeS3, startS3Server } from "../storage/testing/s3-server.ts";
import type { S3Server } from "../storage/testing/s3-server.ts";
import { startWebServer } from "../storage/testing/web-server.ts";
import { resolveModel } from "./repository.ts";
import type { ResolveOptions, ResolvedModel } from "./repository.ts";

const BUILD_MS_MAX = 600_000;
const LARGE_BYTES = 48 * 1024 * 1024;

function suite(): void {
  let root: string;
  let server: S3Server;

  before(async function () {
    // The first run on a machine builds the server.
    this.timeout(BUILD_MS_MAX);
    root = await mkdtemp(join(tmpdir(), "pilotlight-s3-"));
    server = await startS3Server(root);
    await mkdir(join(root, "data/models"));
    for (const [key, content] of Object.entries(await objects())) await put(key, content);
  });

  after(async () => {
    await server[Symbol.asyncDispose]();
    await rm(root, { recursive: true, force: true });
  });

  async function objects(): Promise<Record<string, string | Buffer>> {
    return {
      "voted/1/model.onnx": "version 1",
      "voted/1/labels.txt": "a",
      "voted/10/model.onnx": "version 10",
      "voted/9/deep/er/data.bin": "data",
      "voted/9/model.onnx": "version 9",
      "vote/model.onnx": "a neighbour whose name begins alike",
      "single/a model+(1)é.onnx": "odd key",
      "packed.tar.gz": await tarGz([{ name: "m/model.onnx", content: "from an archive" }]),
      "page.onnx": "<!doctype html>",
      "several/a.onnx": "a",
      "several/b.onnx": "b",
      "large.onnx": Buffer.alloc(LARGE_BYTES, "0123456789abcdef"),
    };
  }

  /** Uploads through the server, so that it knows the object's ETag. */
  async function put(key: string, content: string | Buffer): Promise<void> {
    const path = key.split("/").map(encodeURIComponent).join("/").replaceAll(/[()]/g, escape);
    const signed = await new AwsV4Signer({
      method: "PUT",
      url: `${server.environment["AWS_ENDPOINT_URL_S3"]}/models/${path}`,
      accessKeyId: server.environment["AWS_ACCESS_KEY_ID"] ?? "",
      secretAccessKey: server.environment["AWS_SECRET_ACCESS_KEY"] ?? "",
      service: "s3",
      region: "us-east-1",
    }).sign();
    const reply = await fetch(signed.url, {
      method: "PUT",
      headers: signed.headers,
      body: new Uint8Array(Buffer.from(content)),
    });
    assert.equal(reply.status, 200, await reply.text());
  }

  function resolve(
    storageUri: string,
    environment: Readonly<Record<string, string>> = {},
    options: Partial<ResolveOptions> = {},
  ): Promise<ResolvedModel> {
    return resolveModel(
      { storageUri, modelDir: join(root, "mnt"), modelBytesMax: 100_000_000, ...options },
      { ...server.environment, ...environment },
      new AbortController().signal,
    );
  }

  async function contents({ versions }: ResolvedModel): Promise<string[]> {
    return Promise.all(
      versions.map(async ({ version, path }) => `${version}: ${await readFile(path, "utf8")}`),
    );
  }

  it("gives the versions below a prefix, and nothing of its neighbours", async () => {
    const found = await resolve("s3://models/voted");
    assert.equal(found.name, "voted");
    assert.deepEqual(await contents(found), ["1: version 1", "9: version 9", "10: version 10"]);
    const folder = dirname(dirname(found.versions[0]?.path ?? ""));
    assert.equal(await readFile(join(folder, "9/deep/er/data.bin"), "utf8"), "data");
    assert.deepEqual((await readdir(folder)).sort(), ["1", "10", "9"]);
  });

  it("gives a single object, whatever characters its key has", async () => {
    const found = await resolve("s3://models/single/a model+(1)é.onnx");
    assert.deepEqual(await contents(found), ["1: odd key"]);
    assert.deepEqual(await contents(await resolve("s3://models/single/")), ["1: odd key"]);
  });

  it("unpacks an archive", async () => {
    assert.deepEqual(await contents(await resolve("s3://models/packed.tar.gz")), [
      "1: from an archive",
    ]);
  });

  it("streams a large object to the disk, digest checked", async () => {
    const found = await resolve("s3://models/large.onnx");
    const digest = createHash("md5");
    await pipeline(createReadStream(found.versions[0]?.path ?? ""), digest);
    const want = createHash("md5").update(Buffer.alloc(LARGE_BYTES, "0123456789abcdef"));
    assert.equal(digest.digest("hex"), want.digest("hex"));
  });

  it("uses what it has while nothing changes, and fetches what changed", async () => {
    await put("live/model.onnx", "one");
    const first = await resolve("s3://models/live/");
    assert.deepEqual((await resolve("s3://models/live/")).versions, first.versions);
    await put("live/model.onnx", "two");
    const second = await resolve("s3://models/live/");
    assert.deepEqual(await contents(second), ["1: two"]);
    assert.notEqual(second.versions[0]?.path, first.versions[0]?.path);
    assert.notEqual(await second.digest(), await first.digest());
    await put("live/model.onnx", "one");
    assert.equal(await (await resolve("s3://models/live/")).digest(), await first.digest());
    await put("live.onnx", "one");
    const single = await resolve("s3://models/live.onnx");
    assert.deepEqual((await resolve("s3://models/live.onnx")).versions, single.versions);
  });

  it("fetches again what only a dead process had begun", async () => {
    await using slow = await startWebServer((_, reply) => {
      reply.writeHead(200, { "content-length": 1000 });
      reply.write("begun".repeat(150));
    });
    const modelDir = join(root, "killed");
    const program =
      `import { resolveModel } from ${JSON.stringify(join(import.meta.dirname, "repository.ts"))};` +
      `await resolveModel({ storageUri: "s3://models/vote/model.onnx", modelBytesMax: 1e6,` +
      ` modelDir: ${JSON.stringify(modelDir)} }, process.env, new AbortController().signal);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      env: { ...server.environment, AWS_ENDPOINT_URL_S3: slow.url },
      stdio: "ignore",
    });
    const exited = once(child, "exit");
    const copies = join(modelDir, ".pilotlight");
    while ((await begun(copies)) === undefined) {
      assert.equal(child.exitCode, null, "the download ended before it was killed");
      await new Promise((wake) => setImmediate(wake));
    }
    child.kill("SIGKILL");
    await exited;
    assert.equal((await readdir(copies)).length, 1);
    const found = await resolve("s3://models/vote/model.onnx", {}, { modelDir });
    assert.deepEqual(await contents(found), ["1: a neighbour whose name begins alike"]);
    assert.equal((await readdir(copies)).filter((name) => name.startsWith("tmp~")).length, 0);
  });

  it("takes the keys from a mounted Secret", async () => {
    const folder = join(root, "secret");
    await mkdir(folder);
    for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) {
      await writeFile(join(folder, name), `${server.environment[name]}\n`);
    }
    const found = await resolve("s3://models/vote/", {
      AWS_ACCESS_KEY_ID: "",
      AWS_SECRET_ACCESS_KEY: "",
      AWS_CREDENTIALS_DIR: folder,
    });
    assert.equal(found.versions.length, 1);
  });

  it("exchanges a web identity for keys", async () => {
    const bodies: string[] = [];
    await using sts = await startWebServer((request, reply) => {
      request.on("data", (chunk) => void bodies.push(String(chunk)));
      request.on("end", () => {
        reply.end(
          "<AssumeRoleWithWebIdentityResponse><Credentials>" +
            `<AccessKeyId>${server.environment["AWS_ACCESS_KEY_ID"]}</AccessKeyId>` +
            `<SecretAccessKey>${server.environment["AWS_SECRET_ACCESS_KEY"]}</SecretAccessKey>` +
            "</Credentials></AssumeRoleWithWebIdentityResponse>",
        );
      });
    });
    const tokenFile = join(root, "token");
    await writeFile(tokenFile, "ey.token\n");
    const found = await resolve(
      "s3://models/vote/",
      {
        AWS_ACCESS_KEY_ID: "",
        AWS_SECRET_ACCESS_KEY: "",
        AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
        AWS_ROLE_ARN: "arn:aws:iam::1:role/models",
        // No model comes from there.
        ALLOWED_HOSTS: "127.0.0.1",
        AWS_ENDPOINT_URL_STS: sts.url.replace("127.0.0.1", "localhost"),
      },
      { modelDir: join(root, "identity") },
    );
    assert.equal(found.versions.length, 1);
    const form = new URLSearchParams(bodies.join(""));
    assert.equal(form.get("WebIdentityToken"), "ey.token");
    assert.equal(form.get("RoleArn"), "arn:aws:iam::1:role/models");
    assert.equal(bodies.length, 1, "one exchange serves every request");
  });

  const refused: readonly {
    uri: string;
    environment?: Readonly<Record<string, string>>;
    options?: Partial<ResolveOptions>;
    code: string;
    says: RegExp;
  }[] = [
    {
      uri: "s3://models/voted/",
      environment: { AWS_SECRET_ACCESS_KEY: "wrong-secret" },
      code: "access-denied",
      says: /^s3:\/\/models\/voted\/: access denied \(Signature.+\); check AWS_SECRET_ACCESS_KEY/,
    },
    {
      uri: "s3://models/page.onnx",
      environment: { AWS_SECRET_ACCESS_KEY: "wrong-secret" },
      code: "access-denied",
      says: /SignatureDoesNotMatch/,
    },
    {
      uri: "s3://models/voted/",
      environment: { AWS_ACCESS_KEY_ID: "nobody" },
      code: "access-denied",
      says: /access denied .*check AWS_ACCESS_KEY_ID of the environment$/,
    },
    {
      uri: "s3://models/voted/",
      environment: { S3_ANONYMOUS: "true" },
      code: "access-denied",
      says: /AccessDenied.*not public/,
    },
    {
      uri: "s3://models/voted/",
      environment: { AWS_REGION: "eu-west-9" },
      code: "access-denied",
      says: /AuthorizationHeaderMalformed.*set AWS_REGION/,
    },
    { uri: "s3://nobucket/voted/", code: "not-found", says: /NoSuchBucket/ },
    { uri: "s3://nobucket/m.onnx", code: "not-found", says: /NoSuchBucket/ },
    { uri: "s3://models/nothing/", code: "not-found", says: /nothing there/ },
    { uri: "s3://models/nothing.onnx", code: "not-found", says: /NoSuchKey/ },
    { uri: "s3://models/page.onnx", code: "invalid", says: /HTML page/ },
    { uri: "s3://models/several/", code: "invalid", says: /several \.onnx files/ },
    {
      uri: "s3://models/large.onnx",
      options: { modelBytesMax: 1_000_000 },
      code: "invalid",
      says: /MODEL_BYTES_MAX \(1000000 bytes\)/,
    },
    {
      uri: "s3://models/voted/",
      options: { modelBytesMax: 20 },
      code: "invalid",
      says: /MODEL_BYTES_MAX/,
    },
  ];
  for (const { uri, environment, options, code, says } of refused) {
    const given = { ...environment, ...(options as Record<string, unknown>) };
    it(`${uri} ${JSON.stringify(given)}: ${code}`, async () => {
      const modelDir = join(root, "empty");
      await assert.rejects(resolve(uri, environment, { modelDir, ...options }), (error) => {
        assert.ok(error instanceof StorageError, String(error));
        assert.match(error.message, says);
        assert.equal(error.code, code);
        assert.ok(!error.message.includes("wrong-secret"));
        return true;
      });
    });
  }
}

/** The file that an unfinished download has begun, once there is one. */
async function begun(copies: string): Promise<string | undefined> {
  const names = await readdir(copies, { recursive: true }).catch(() => []);
  return names.find((name) => name.endsWith("model.onnx"));
}

if (canServeS3()) describe("a model in S3", suite);
else describe("a model in S3", () => it("is not tested: Go, which builds the server, is missing"));
