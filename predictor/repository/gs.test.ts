/** Against fake-gcs-server, which speaks the JSON API but checks no credentials. */
import assert from "node:assert/strict";
import { createVerify, generateKeyPairSync } from "node:crypto";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "mocha";

import { ensureBinary } from "../../hack/go/build.ts";
import { fetchGsToken, selectGsCredentials } from "../storage/gs-credentials.ts";
import { createHttpClient } from "../storage/http-client.ts";
import { StorageError } from "../storage/storage-error.ts";
import { startProgram } from "../storage/testing/program.ts";
import { startWebServer } from "../storage/testing/web-server.ts";
import { storeSuite } from "./testing/store-suite.ts";
import type { TestStore } from "./testing/store-suite.ts";

async function start(root: string): Promise<TestStore> {
  const command = await ensureBinary("fake-gcs-server");
  const data = join(root, "gcs");
  await mkdir(join(data, "models"), { recursive: true });
  const server = await startProgram({
    command,
    args: (port) => [
      "-scheme=http",
      "-host=127.0.0.1",
      `-port=${port}`,
      "-backend=memory",
      `-data=${data}`,
      `-public-host=127.0.0.1:${port}`,
    ],
    listening: /server started/,
  });
  const base = `http://${server.address}`;
  return {
    environment: { STORAGE_EMULATOR_HOST: server.address },
    uri: (key) => `gs://models/${key}`,
    put: async (key, content) => {
      const query = `uploadType=media&name=${encodeURIComponent(key)}`;
      const url = `${base}/upload/storage/v1/b/models/o?${query}`;
      const { status } = await fetch(url, { method: "POST", body: new Uint8Array(content) });
      assert.equal(status, 200);
    },
    [Symbol.asyncDispose]: async () => server[Symbol.asyncDispose](),
  };
}

const canBuild = spawnSync("go", ["version"], { stdio: "ignore" }).status === 0;
(canBuild ? describe : describe.skip)("a model in Google Cloud Storage", () => {
  storeSuite({ start });
});

describe("a token for Google Cloud Storage", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  // Where models may come from is another matter.
  const hosts = { allowed: ["storage.googleapis.com"], denied: [] };
  const context = { shown: "gs://b/m", signal: new AbortController().signal, nowMs: 1_000_000 };

  it("is exchanged for a JWT that the service account's key has signed", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pilotlight-gs-"));
    const http = createHttpClient({ allowPrivate: true, hosts });
    let form = new URLSearchParams();
    await using server = await startWebServer((request, reply) => {
      let body = "";
      request.on("data", (chunk) => (body += String(chunk)));
      request.on("end", () => {
        form = new URLSearchParams(body);
        reply.end('{"access_token":"a token"}');
      });
    });
    const file = join(folder, "key.json");
    const key = {
      type: "service_account",
      client_email: "reader@project.example",
      private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
      token_uri: `${server.url}/token`,
    };
    await writeFile(file, JSON.stringify(key));
    const credentials = await selectGsCredentials({ GOOGLE_APPLICATION_CREDENTIALS: file });
    assert.equal(await fetchGsToken(credentials, http, context), "a token");
    const [head = "", claims = "", signature = ""] = (form.get("assertion") ?? "").split(".");
    const verify = createVerify("RSA-SHA256").update(`${head}.${claims}`);
    assert(verify.verify(publicKey, signature, "base64url"));
    assert.deepEqual(JSON.parse(Buffer.from(claims, "base64url").toString()), {
      iss: "reader@project.example",
      scope: "https://www.googleapis.com/auth/devstorage.read_only",
      aud: `${server.url}/token`,
      iat: 1000,
      exp: 4600,
    });
    http.close();
    await rm(folder, { recursive: true });
  });

  it("comes from the metadata server when there is no key", async () => {
    const http = createHttpClient({ allowPrivate: false, hosts });
    await using server = await startWebServer((request, reply) => {
      const asked = request.headers["metadata-flavor"] === "Google";
      reply.writeHead(asked ? 200 : 403).end('{"access_token":"of the pod"}');
    });
    const host = server.url.replace("http://", "");
    const credentials = await selectGsCredentials({ GCE_METADATA_HOST: host });
    assert.equal(await fetchGsToken(credentials, http, context), "of the pod");
    assert.match(server.requests[0] ?? "", /^\/computeMetadata\/v1\/instance\/service-accounts\//);
    http.close();
  });

  it("is refused with words for a file that is no key", async () => {
    await assert.rejects(
      selectGsCredentials({ GOOGLE_APPLICATION_CREDENTIALS: import.meta.filename }),
      (error) =>
        error instanceof StorageError && /is no key of a service account/.test(error.message),
    );
  });
});
