import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, it } from "mocha";

import { createHttpClient } from "./http-client.ts";
import { placeStream } from "./place.ts";
import { checkPart, rangeHeaders, resuming, saveInParts } from "./ranged.ts";
import type { GetRange } from "./ranged.ts";
import { ByteBudget } from "./save.ts";
import { StorageError } from "./storage-error.ts";
import { inFolder } from "./testing/folder.ts";
import { tar } from "./testing/tar-gz.ts";
import { startWebServer } from "./testing/web-server.ts";
import { zip } from "./testing/zip.ts";
import type { ZipEntry } from "./testing/zip.ts";

const signal = new AbortController().signal;
const policy = { attemptsMax: 3, delayMs: 1, delayMsMax: 1 };
const mebibyte = 1024 * 1024;

async function place(content: Buffer, into: string, bytesMax = 1000): Promise<void> {
  async function* stream() {
    yield content;
  }
  await placeStream(stream(), { into, shown: "m", bytesMax, retrying: { signal } });
}

describe("an archive", () => {
  const entries = [{ name: "m/model.onnx", content: "a model" }];
  const rows: [format: string, make: () => Promise<Buffer>][] = [
    ["tar", async () => tar(entries)],
    ["tar.gz", async () => gzipSync(await tar(entries))],
    ["tar.zst", async () => zstdCompressSync(await tar(entries))],
    ["zip", async () => zip(entries)],
    [
      "zip without compression",
      async () => zip([{ ...entries[0], name: "m/model.onnx", stored: true }]),
    ],
  ];
  for (const [format, make] of rows) {
    it(`is unpacked: ${format}`, () =>
      inFolder(async (folder) => {
        await place(await make(), folder);
        assert.deepEqual(await readdir(folder), ["m"]);
        assert.equal(await readFile(join(folder, "m/model.onnx"), "utf8"), "a model");
      }));
  }

  it("is refused when it grows too much, whatever room there is", () =>
    inFolder(async (folder) => {
      const bomb = zstdCompressSync(
        await tar([{ name: "model.onnx", content: Buffer.alloc(160 * mebibyte) }]),
      );
      await assert.rejects(place(bomb, folder, 2 ** 40), /grows more than 200 times/);
    }));
});

describe("a zip file", () => {
  const file: ZipEntry = { name: "model.onnx", content: "a model" };
  const refused: [entries: ZipEntry[], says: RegExp, why: string][] = [
    [[{ ...file, name: "../model.onnx" }], /leads elsewhere/, "a name that climbs"],
    [[{ ...file, name: "/model.onnx" }], /leads elsewhere/, "an absolute name"],
    [[{ ...file, name: "a\\model.onnx" }], /leads elsewhere/, "a backslash"],
    [[{ ...file, mode: 0o120777 }], /is a symlink/, "a link"],
    [[{ ...file, crc: 1 }], /not what its checksum says/, "a wrong checksum"],
    [[{ ...file, flags: 1 }], /is encrypted/, "a password"],
    [[{ ...file, method: 14 }], /compressed by method 14/, "LZMA"],
    [[file, file], /twice/, "one name twice"],
    [[file, { ...file, name: "b", at: 0 }], /overlap/, "entries that share their bytes"],
    [[{ ...file, content: "x".repeat(2000) }], /MODEL_BYTES_MAX/, "too large"],
  ];
  for (const [entries, says, why] of refused) {
    it(`is refused for ${why}`, () =>
      inFolder(async (folder) => {
        await assert.rejects(place(zip(entries), folder), (error) => {
          assert(error instanceof StorageError, String(error));
          assert.match(error.message, says);
          return true;
        });
      }));
  }

  it("is refused when it is cut short", () =>
    inFolder(async (folder) => {
      await assert.rejects(place(zip([file]).subarray(0, 60), folder), /directory is missing/);
    }));
});

describe("a large object over broken connections", () => {
  const content = Buffer.alloc(40 * mebibyte, "0123456789abcdef");
  const etag = '"one"';

  /** Serves ranges, each first try of which breaks in the middle. */
  async function served(test: (getRange: GetRange, asked: string[]) => Promise<void>) {
    const asked: string[] = [];
    const broken = new Set<string>();
    await using server = await startWebServer(({ headers }, reply) => {
      asked.push(headers.range ?? "");
      if (headers["if-match"] !== etag) return void reply.writeHead(412).end();
      const [, from = "0", to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? [];
      const end = to ? Number(to) + 1 : content.length;
      const range = `bytes ${from}-${end - 1}/${content.length}`;
      const length = String(end - Number(from));
      reply.writeHead(206, { etag, "content-range": range, "content-length": length });
      const half = Number(from) + Math.floor((end - Number(from)) / 2);
      if (broken.has(String(to))) return void reply.end(content.subarray(Number(from), end));
      broken.add(String(to));
      reply.write(content.subarray(Number(from), half), () => reply.destroy());
    });
    const http = createHttpClient({ allowPrivate: true });
    await test((range, either) => {
      const headers = rangeHeaders(range, etag);
      return http.send({ method: "GET", url: new URL(server.url), headers }, either);
    }, asked);
    http.close();
  }

  const retrying = { policy, signal, shown: "large" };
  const digest = {
    algorithm: "sha256",
    hex: createHash("sha256").update(content).digest("hex"),
  } as const;

  it("is put together from parts that go on where they broke", () =>
    inFolder((folder) =>
      served(async (getRange, asked) => {
        const path = join(folder, "m");
        const budget = new ByteBudget(1e9, "large");
        const bytes = content.length;
        await saveInParts(path, { ...retrying, bytes, getRange, digest, budget });
        assert((await readFile(path)).equals(content));
        const begun = asked.filter((range) => range.startsWith("bytes=0-"));
        assert.equal(begun.length, 1, "a part began anew");
        assert.equal(asked.length, 6);
      }),
    ));

  it("is refused when the digest is another", () =>
    inFolder((folder) =>
      served(async (getRange) => {
        const wrong = { ...digest, hex: "00".repeat(32) };
        const budget = new ByteBudget(1e9, "large");
        const parts = { ...retrying, bytes: content.length, getRange, digest: wrong, budget };
        await assert.rejects(saveInParts(join(folder, "m"), parts), /the server promised 0000/);
      }),
    ));

  it("is streamed on from where it broke", () =>
    inFolder((folder) =>
      served(async (getRange, asked) => {
        const first = checkPart(await getRange({ from: 0 }, signal), { from: 0 });
        const path = join(folder, "m");
        await writeFile(path, resuming(first, getRange, retrying));
        assert((await readFile(path)).equals(content));
        assert.equal(asked.length, 2);
        assert.notEqual(asked[1], asked[0]);
      }),
    ));
});
