/** Against the registry of the distribution project, with a login and without. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";

import { ensureBinary } from "../../hack/go/build.ts";
import { StorageError } from "../storage/storage-error.ts";
import { startProgram } from "../storage/testing/program.ts";
import type { Program } from "../storage/testing/program.ts";
import { tarGz } from "../storage/testing/tar-gz.ts";
import { resolveModel } from "./repository.ts";

const imageManifest = "application/vnd.oci.image.manifest.v1+json";

interface Layer {
  readonly content: Buffer;
  readonly mediaType: string;
  readonly title?: string;
}

function suite(): void {
  let root: string;
  let registry: Program;
  let folders = 0;

  before(async function () {
    this.timeout(900_000);
    root = await mkdtemp(join(tmpdir(), "pilotlight-oci-"));
    const command = await ensureBinary("oci-registry");
    const config = join(root, "config.yml");
    registry = await startProgram({
      command,
      args: () => ["serve", config],
      environment: (port) => ({
        REGISTRY_HTTP_ADDR: `127.0.0.1:${port}`,
        OTEL_TRACES_EXPORTER: "none",
      }),
      prepare: async () => {
        const storage = `storage: {filesystem: {rootdirectory: ${join(root, "data")}}}`;
        await writeFile(config, `version: 0.1\nlog: {level: info}\n${storage}\nhttp: {}\n`);
      },
      listening: /listening on/,
    });
  });

  after(async () => {
    await registry[Symbol.asyncDispose]();
    await rm(root, { recursive: true, force: true });
  });

  const digestOf = (content: Buffer | string): string =>
    `sha256:${createHash("sha256").update(content).digest("hex")}`;

  async function upload(repository: string, content: Buffer): Promise<string> {
    const base = `http://${registry.address}`;
    const begun = await fetch(`${base}/v2/${repository}/blobs/uploads/`, { method: "POST" });
    const url = new URL(begun.headers.get("location") ?? "", base);
    url.searchParams.set("digest", digestOf(content));
    const headers = { "content-type": "application/octet-stream" };
    const body = new Uint8Array(content);
    const { status } = await fetch(url, { method: "PUT", headers, body });
    assert.equal(status, 201);
    return digestOf(content);
  }

  /** Pushes an artefact; returns its digest. */
  async function push(
    repository: string,
    layers: readonly Layer[],
    configType = "application/vnd.oci.empty.v1+json",
  ): Promise<string> {
    const config = Buffer.from("{}");
    const pushed = [];
    for (const { content, mediaType, title } of layers) {
      const digest = await upload(repository, content);
      const annotations = title === undefined ? {} : { "org.opencontainers.image.title": title };
      pushed.push({ mediaType, digest, size: content.length, annotations });
    }
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: imageManifest,
      config: { mediaType: configType, digest: await upload(repository, config), size: 2 },
      layers: pushed,
    });
    const url = `http://${registry.address}/v2/${repository}/manifests/v1`;
    const headers = { "content-type": imageManifest };
    const { status } = await fetch(url, { method: "PUT", headers, body: manifest });
    assert.equal(status, 201);
    return digestOf(manifest);
  }

  async function resolve(artefact: string, environment: Record<string, string> = {}) {
    return resolveModel(
      {
        storageUri: `oci://${registry.address}/${artefact}`,
        modelDir: join(root, `dir-${(folders += 1)}`),
        modelBytesMax: 1e8,
        policy: { attemptsMax: 2, delayMs: 1, delayMsMax: 1 },
      },
      { ALLOW_INSECURE_HTTP: "true", ...environment },
      new AbortController().signal,
    );
  }

  async function contents(artefact: string): Promise<string[]> {
    const { versions } = await resolve(artefact);
    return Promise.all(versions.map(async ({ path }) => readFile(path, "utf8")));
  }

  const raw = "application/vnd.example.model";
  const file = (title: string, content: string | Buffer): Layer => ({
    title,
    content: Buffer.from(content),
    mediaType: raw,
  });

  it("gives layers that are files, by tag and by digest", async () => {
    const layers = [file("1/model.onnx", "one"), file("2/model.onnx", "two")];
    const digest = await push("models/files", layers);
    assert.deepEqual(await contents("models/files:v1"), ["one", "two"]);
    assert.deepEqual(await contents(`models/files@${digest}`), ["one", "two"]);
    assert.equal(await (await resolve("models/files:v1")).digest(), digest);
  });

  it("gives a large layer whole, in parts", async () => {
    const large = Buffer.alloc(40 * 1024 * 1024, "0123456789abcdef");
    await push("models/large", [file("model.onnx", large)]);
    const { versions } = await resolve("models/large:v1");
    assert((await readFile(versions[0]?.path ?? "")).equals(large));
  });

  it("unpacks layers that are archives", async () => {
    const content = await tarGz([{ name: "model.onnx", content: "from an archive" }]);
    await push("models/packed", [{ content, mediaType: `${raw}.layer.v1.tar+gzip` }]);
    assert.deepEqual(await contents("models/packed:v1"), ["from an archive"]);
  });

  it("takes of a container image what is in /models, whatever else it holds", async () => {
    const content = await tarGz([
      { name: "bin/sh", type: "symlink", linkname: "busybox" },
      { name: "models/" },
      { name: "models/model.onnx", content: "of a modelcar" },
    ]);
    const layer = { content, mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" };
    await push("models/image", [layer], "application/vnd.oci.image.config.v1+json");
    assert.deepEqual(await contents("models/image:v1"), ["of a modelcar"]);
  });

  it("refuses a file whose name leads elsewhere", async () => {
    await push("models/bad", [file("../../model.onnx", "x")]);
    await assert.rejects(
      resolve("models/bad:v1"),
      (error) => error instanceof StorageError && error.code === "invalid",
    );
  });

  it("says not-found of a tag that isn't there", () =>
    assert.rejects(
      resolve("models/none:v9"),
      (error) => error instanceof StorageError && error.code === "not-found",
    ));

  it("refuses a registry in a private network, unless that is allowed", () =>
    assert.rejects(resolve("models/files:v1", { ALLOW_INSECURE_HTTP: "" }), (error) => {
      assert(error instanceof StorageError, String(error));
      assert.match(error.message, /private or loopback address.*ALLOW_PRIVATE_NETWORKS=true/);
      return true;
    }));
}

const canBuild = spawnSync("go", ["version"], { stdio: "ignore" }).status === 0;
(canBuild ? describe : describe.skip)("a model in an OCI registry", suite);
