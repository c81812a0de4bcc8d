import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock } from "node:test";
import { afterEach, beforeEach, describe, it } from "mocha";
import { extract } from "tar-stream";
import { writeScratchImage } from "./scratch-image.ts";

const SLOW_OPEN_MS = 20;

type Opened = (error: NodeJS.ErrnoException | null, fd: number) => void;

describe("writeScratchImage", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "plimage-"));
    await writeFile(join(folder, "program"), "#!/bin/true\n");
  });

  afterEach(async () => {
    mock.restoreAll();
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
    const layer = entries.get(manifest.Layers[0] ?? "")?.body ?? Buffer.alloc(0);
    assert.deepEqual(manifest.Layers, [`${sha256(layer)}/layer.tar`]);
    assert.deepEqual(parsed.rootfs.diff_ids, [`sha256:${sha256(layer)}`]);
  });

  it("lays every folder before what is in it, each once", async () => {
    const image = await untar(await write("image.tar"));
    const layer = [...image].find(([name]) => name.endsWith("layer.tar"))?.[1];
    const entries = await untar(layer?.body ?? Buffer.alloc(0));
    assert.deepEqual(
      [...entries].map(([name, { mode }]) => `${mode.toString(8)} ${name}`),
      ["755 usr/", "755 usr/bin/", "644 usr/bin/data", "755 usr/bin/program"],
    );
  });

  it("makes the same bytes twice and leaves nothing else behind", async () => {
    assert.equal(sha256(await write("one.tar")), sha256(await write("two.tar")));
    assert.deepEqual((await readdir(folder)).sort(), ["one.tar", "program", "two.tar"]);
  });

  it("leaves no half image when a file is missing", async () => {
    await rm(join(folder, "program"));
    const opened = slowOpen();
    await assert.rejects(write("image.tar"), /ENOENT/);
    await opened;
    assert.deepEqual(await readdir(folder), []);
  });
});

/** A disk that opens a file after others are missed. Ends when it has opened one. */
async function slowOpen(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { open } = fs;
  mock.method(fs, "open", (path: string, flags: string, mode: number, then: Opened) => {
    setTimeout(() => {
      open(path, flags, mode, (error, fd) => {
        then(error, fd);
        resolve();
      });
    }, SLOW_OPEN_MS);
  });
  return promise;
}

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
