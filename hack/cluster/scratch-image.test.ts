import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { extract } from "tar-stream";
import { writeScratchImage } from "./scratch-image.ts";

describe("writeScratchImage", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "plimage-"));
    await writeFile(join(folder, "program"), "#!/bin/true\n");
  });

  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  const write = async (name: string): Promise<Buffer> => {
    const image = {
      tag: "dev.local/program:v1",
      files: [
        { source: join(folder, "program"), path: "/usr/bin/program" },
        { source: join(folder, "program"), path: "/usr/bin/data", mode: 0o644 },
      ],
      entrypoint: ["/usr/bin/program"],
      user: "65532",
      env: { MODE: "test" },
    };
    await writeScratchImage(image, join(folder, name));
    return readFile(join(folder, name));
  };

  it("names its config and layer by what they hold", async () => {
    const entries = await untar(await write("image.tar"));
    const [manifest] = JSON.parse(entries.get("manifest.json")?.body.toString() ?? "[]") as {
      Config: string;
      RepoTags: string[];
      Layers: string[];
    }[];
    assert.deepEqual(manifest?.RepoTags, ["dev.local/program:v1"]);
    assert.deepEqual(manifest.Layers, ["layer.tar"]);
    const config = entries.get(manifest.Config)?.body ?? Buffer.alloc(0);
    assert.equal(manifest.Config, `${sha256(config)}.json`);
    const parsed = JSON.parse(config.toString()) as {
      config: unknown;
      rootfs: { diff_ids: string[] };
    };
    assert.deepEqual(parsed.config, {
      Entrypoint: ["/usr/bin/program"],
      Env: ["PATH=/usr/bin:/bin", "MODE=test"],
      User: "65532",
    });
    const layer = entries.get("layer.tar")?.body ?? Buffer.alloc(0);
    assert.deepEqual(parsed.rootfs.diff_ids, [`sha256:${sha256(layer)}`]);
  });

  it("lays every folder before what is in it, each once", async () => {
    const layer = (await untar(await write("image.tar"))).get("layer.tar")?.body;
    const entries = await untar(layer ?? Buffer.alloc(0));
    assert.deepEqual(
      [...entries].map(([name, { mode }]) => `${mode.toString(8)} ${name}`),
      ["755 usr/", "755 usr/bin/", "755 usr/bin/program", "644 usr/bin/data"],
    );
  });

  it("makes the same bytes twice and leaves nothing else behind", async () => {
    assert.equal(sha256(await write("one.tar")), sha256(await write("two.tar")));
    assert.deepEqual((await readdir(folder)).sort(), ["one.tar", "program", "two.tar"]);
  });

  it("leaves no half image when a file is missing", async () => {
    await rm(join(folder, "program"));
    await assert.rejects(write("image.tar"), /ENOENT/);
    assert.deepEqual(await readdir(folder), []);
  });
});

async function untar(bytes: Buffer): Promise<Map<string, { mode: number; body: Buffer }>> {
  const entries = new Map<string, { mode: number; body: Buffer }>();
  const reader = extract();
  reader.end(bytes);
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry as AsyncIterable<Buffer>) {
      chunks.push(chunk);
    }
    assert.ok(!entries.has(entry.header.name), `${entry.header.name} is there twice`);
    entries.set(entry.header.name, { mode: entry.header.mode ?? 0, body: Buffer.concat(chunks) });
  }
  return entries;
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
