import assert from "node:assert/strict";
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, it } from "mocha";

import { unpack } from "./archive.ts";
import { TransientError } from "./retry.ts";
import { ByteBudget } from "./save.ts";
import { StorageError } from "./storage-error.ts";
import { inFolder } from "./testing/folder.ts";
import { tar, tarGz } from "./testing/tar-gz.ts";
import type { TarEntry } from "./testing/tar-gz.ts";

async function* inChunks(bytes: Buffer, size = 1000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function unpackInto(into: string, archive: AsyncIterable<Uint8Array>): Promise<void> {
  const budget = new ByteBudget(100_000, "m.tar.gz");
  const { signal } = new AbortController();
  await unpack(archive, "gzip", { into, budget, shown: "m.tar.gz", signal });
}

async function assertRefused(archive: AsyncIterable<Uint8Array>, says: RegExp): Promise<void> {
  await inFolder(async (folder) => {
    await assert.rejects(
      unpackInto(folder, archive),
      (error) =>
        error instanceof StorageError && error.code === "invalid" && says.test(error.message),
    );
  });
}

describe("unpack", () => {
  it("puts files and folders where they belong, streamed in pieces", () =>
    inFolder(async (folder) => {
      const weights = Buffer.alloc(20_000, 7);
      const archive = await tarGz([
        { name: "./" },
        { name: "iris/" },
        { name: "iris/1/model.onnx", content: weights },
        { name: `iris/${"n".repeat(200)}`, content: "long names have headers of their own" },
        { name: "./iris/empty", content: "" },
      ]);
      await unpackInto(folder, inChunks(archive));
      assert.deepEqual((await readdir(join(folder, "iris"))).sort(), [
        "1",
        "empty",
        "n".repeat(200),
      ]);
      assert.deepEqual(await readFile(join(folder, "iris/1/model.onnx")), weights);
    }));

  it("gives nothing the mode that the archive asks for", () =>
    inFolder(async (folder) => {
      await unpackInto(folder, inChunks(await tarGz([{ name: "x", content: "#!", mode: 0o6777 }])));
      assert.equal((await stat(join(folder, "x"))).mode & 0o7111, 0);
    }));

  const hostile: readonly { entries: readonly TarEntry[]; says: RegExp; why: string }[] = [
    { entries: [{ name: "../x", content: "x" }], says: /leads elsewhere/, why: "climbs" },
    {
      entries: [{ name: "a/../../x", content: "x" }],
      says: /leads elsewhere/,
      why: "climbs inside",
    },
    { entries: [{ name: "/etc/x", content: "x" }], says: /leads elsewhere/, why: "absolute" },
    { entries: [{ name: "..\\x", content: "x" }], says: /leads elsewhere/, why: "backslash" },
    { entries: [{ name: "C:\\x", content: "x" }], says: /leads elsewhere/, why: "drive" },
    {
      entries: [{ name: "a\u0007b", content: "x" }],
      says: /leads elsewhere/,
      why: "control character",
    },
    { entries: [{ name: "n".repeat(2000), content: "x" }], says: /too long/, why: "long name" },
    { entries: [{ name: `${"a/".repeat(40)}x`, content: "x" }], says: /too long/, why: "deep" },
    {
      entries: [{ name: "model.onnx", type: "symlink", linkname: "/etc/passwd" }],
      says: /"model\.onnx" is a symlink/,
      why: "a symbolic link",
    },
    {
      entries: [
        { name: "a", content: "x" },
        { name: "weights.bin", type: "link", linkname: "a" },
      ],
      says: /is a link/,
      why: "a hard link: onnxruntime would read what it leads to",
    },
    { entries: [{ name: "pipe", type: "fifo" }], says: /is a fifo/, why: "a pipe" },
    {
      entries: [{ name: "d", type: "character-device" }],
      says: /is a character-device/,
      why: "a device",
    },
    {
      entries: [
        { name: "m", content: "first" },
        { name: "./m", content: "second" },
      ],
      says: /twice/,
      why: "the same file twice",
    },
    {
      entries: [
        { name: "m", content: "first" },
        { name: "m/x", content: "second" },
      ],
      says: /below a file/,
      why: "a file as a folder",
    },
    {
      entries: [{ name: "m/" }, { name: "m", content: "x" }],
      says: /twice/,
      why: "a folder as a file",
    },
    {
      entries: [{ name: "big", content: Buffer.alloc(200_000) }],
      says: /MODEL_BYTES_MAX/,
      why: "a bomb",
    },
  ];
  for (const { entries, says, why } of hostile) {
    it(`refuses ${why}`, async () => assertRefused(inChunks(await tarGz(entries)), says));
  }

  it("refuses more entries than a model has", async () => {
    const entries = Array.from({ length: 10_001 }, (_, at) => ({ name: `d${at}/` }));
    await assertRefused(inChunks(await tarGz(entries), 100_000), /more than 10000 entries/);
  });

  it("refuses what is cut off, inside of the compression and inside of the archive", async () => {
    const entries = [{ name: "m", content: Buffer.alloc(5000, "abc") }];
    const compressed = await tarGz(entries);
    await assertRefused(inChunks(compressed.subarray(0, -12)), /no intact gzip file/);
    const archive = await tar(entries);
    await assertRefused(inChunks(gzipSync(archive.subarray(0, 3000))), /no intact tar archive/);
  });

  it("refuses what is cut off exactly behind an entry", async () => {
    const archive = await tar([
      { name: "m", content: Buffer.alloc(512, "abc") },
      { name: "weights", content: "w" },
    ]);
    const [oneEntry, oneBlock] = [1024, 512];
    await assertRefused(inChunks(gzipSync(archive.subarray(0, oneEntry))), /cut short: it has no/);
    await inFolder(async (folder) => {
      const lenient = archive.subarray(0, archive.length - oneBlock);
      await unpackInto(folder, inChunks(gzipSync(lenient)));
      assert.deepEqual((await readdir(folder)).sort(), ["m", "weights"]);
    });
  });

  it("refuses what is compressed but no archive", async () => {
    await assertRefused(inChunks(gzipSync(Buffer.alloc(2000, "onnx"))), /no intact tar archive/);
  });

  it("passes on that the connection broke, so that it is tried again", () =>
    inFolder(async (folder) => {
      const archive = await tarGz([{ name: "m", content: Buffer.alloc(50_000, "ab") }]);
      async function* breaking(): AsyncGenerator<Buffer> {
        yield archive.subarray(0, archive.length / 2);
        throw new TransientError("the connection broke");
      }
      await assert.rejects(unpackInto(folder, breaking()), TransientError);
    }));
});
