import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "mocha";

import { loneDigest } from "./contents.ts";
import { createHttpClient } from "./http-client.ts";
import { createHttpsOrigin } from "./https-origin.ts";
import { inFolder } from "./testing/folder.ts";
import { startWebServer } from "./testing/web-server.ts";

const mebibyte = 1024 * 1024;

/** A state of an object: so many bytes, all alike. */
interface State {
  readonly etag: string;
  readonly bytes: number;
  readonly byte: number;
}

const before = (bytes: number): State => ({ etag: '"one"', bytes, byte: 0x08 });
const after = (bytes: number): State => ({ etag: '"two"', bytes, byte: 0x10 });

interface Answering {
  /** Headers that a part does not have, though it should. */
  readonly without?: readonly string[];
  /** The whole length is not told with a part. */
  readonly star?: boolean;
  /** Breaks the connection of a whole reply half way. */
  readonly breaks?: boolean;
}

/** Answers with a state of an object, whatever If-Match says. */
function answer(
  { headers }: IncomingMessage,
  reply: ServerResponse,
  { etag, bytes, byte }: State,
  { without = [], star = false, breaks = false }: Answering = {},
): void {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? [];
  reply.setHeader("etag", etag).setHeader("accept-ranges", "bytes");
  if (from === undefined) {
    reply.writeHead(200, { "content-length": bytes });
    if (!breaks) return void reply.end(Buffer.alloc(bytes, byte));
    return void reply.write(Buffer.alloc(bytes / 2, byte), () => reply.destroy());
  }
  const end = to ? Number(to) + 1 : bytes;
  for (const header of without) reply.removeHeader(header);
  const range = `bytes ${from}-${end - 1}/${star ? "*" : bytes}`;
  const length = end - Number(from);
  reply.writeHead(206, { "content-range": range, "content-length": length });
  reply.end(Buffer.alloc(length, byte));
}

describe("an object that changes while it is fetched", () => {
  const [small, large] = [mebibyte, 40 * mebibyte];
  const rows: [why: string, bytes: number, now: State, how: Answering & { honest?: boolean }][] = [
    ["in parts, on a server that ignores If-Match", large, after(large), {}],
    [
      "in parts that don't say of which state they are",
      large,
      after(large + 1),
      { without: ["etag"] },
    ],
    ["in parts, on a server that refuses the old state's", large, after(large), { honest: true }],
    ["resumed on another state", small, after(small), { breaks: true }],
    ["resumed on a longer one", small, after(small * 2), { breaks: true, without: ["etag"] }],
    [
      "resumed on one whose length nobody tells",
      small,
      after(small * 2),
      { breaks: true, without: ["etag"], star: true },
    ],
  ];
  for (const [why, bytes, now, how] of rows) {
    it(`is fetched anew: ${why}`, () =>
      inFolder(async (folder) => {
        let asked = 0;
        await using server = await startWebServer((request, reply) => {
          asked += 1;
          // The first reply, and the first part of what comes in parts, are of the old state.
          const old = asked === 1 || (bytes === large && asked === 2);
          const match = request.headers["if-match"];
          if (!old && how.honest === true && match !== undefined && match !== now.etag) {
            return void reply.writeHead(412).end();
          }
          answer(request, reply, old ? before(bytes) : now, old ? how : { ...how, breaks: false });
        });
        const http = createHttpClient({ allowPrivate: true });
        const fetch = createHttpsOrigin(new URL(`${server.url}/m.onnx`), {
          http,
          signal: new AbortController().signal,
          shown: "m",
          bytesMax: 2 * large,
          policy: { attemptsMax: 3, delayMs: 1, delayMsMax: 1 },
        });
        const fetched = await fetch(folder, undefined);
        http.close();
        const digest = loneDigest(undefined, now.etag);
        assert.deepEqual(fetched, { kind: "fetched", validator: now.etag, digest });
        const content = await readFile(join(folder, "model.onnx"));
        assert(content.equals(Buffer.alloc(now.bytes, now.byte)), "parts of two states");
      }));
  }
});
