import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "mocha";

import { createHttpClient } from "./http-client.ts";
import { createOciOrigin } from "./oci-origin.ts";
import { inFolder } from "./testing/folder.ts";
import { startWebServer } from "./testing/web-server.ts";

const digestOf = (content: Buffer | string): string =>
  `sha256:${createHash("sha256").update(content).digest("hex")}`;

describe("a layer of a registry whose connections break", () => {
  const content = Buffer.from("a model, or so");
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: { mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf("{}"), size: 2 },
    layers: [
      {
        mediaType: "application/octet-stream",
        digest: digestOf(content),
        size: content.length,
        annotations: { "org.opencontainers.image.title": "model.onnx" },
      },
    ],
  });

  it("is fetched anew, not given up at the first break", () =>
    inFolder(async (folder) => {
      let asked = 0;
      await using server = await startWebServer(({ url = "" }, reply) => {
        if (url.includes("/manifests/")) return void reply.end(manifest);
        asked += 1;
        if (asked > 1) return void reply.end(content);
        reply.writeHead(200, { "content-length": content.length }).flushHeaders();
        reply.destroy();
      });
      const http = createHttpClient({ allowPrivate: true });
      const { host: registry } = new URL(server.url);
      const fetch = createOciOrigin(
        { registry, repository: "m", reference: "v1" },
        { login: undefined, insecureHttp: true },
        {
          http,
          signal: new AbortController().signal,
          shown: "m",
          bytesMax: 1000,
          policy: { attemptsMax: 3, delayMs: 1, delayMsMax: 1 },
        },
      );
      assert.equal((await fetch(folder, undefined)).kind, "fetched");
      http.close();
      assert((await readFile(join(folder, "model.onnx"))).equals(content));
    }));
});
