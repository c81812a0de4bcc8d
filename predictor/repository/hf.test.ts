/**
 * Against a server of our own that speaks the hub's API over real bytes: the hub itself can't be
 * had on one machine, so that what it really answers is only as sure as its documentation.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "mocha";

import { StorageError } from "../storage/storage-error.ts";
import { startWebServer } from "../storage/testing/web-server.ts";
import { resolveModel } from "./repository.ts";

const commit = "0123456789abcdef0123456789abcdef01234567";
const large = Buffer.alloc(40 * 1024 * 1024, "fedcba9876543210");
const files: Readonly<Record<string, Buffer>> = {
  "config.json": Buffer.from("{}"),
  "onnx/model.onnx": large,
  "onnx/model_quantized.onnx": Buffer.from("small"),
  "pytorch_model.bin": Buffer.from("of another framework"),
  "model.onnx": Buffer.from("at the root"),
  "forged/model.onnx": Buffer.from("not what git has"),
};
const token = "hf_secret";

function entry(path: string): object {
  const content = files[path] ?? Buffer.alloc(0);
  if (content.length > 1000) {
    const oid = createHash("sha256").update(content).digest("hex");
    return { type: "file", path, size: content.length, oid: "git", lfs: { oid } };
  }
  const committed = path.startsWith("forged") ? Buffer.from("what git really has") : content;
  const blob = Buffer.concat([Buffer.from(`blob ${committed.length}\0`), committed]);
  const oid = createHash("sha1").update(blob).digest("hex");
  return { type: "file", path, size: committed.length, oid };
}

/** The tree, a page per file, so that paging is exercised as well. */
function sendTree(url: URL, below: string, reply: ServerResponse): void {
  const recursive = url.searchParams.get("recursive") === "true";
  const paths = Object.keys(files).filter((path) =>
    recursive ? path.startsWith(below) : join(path, "..") === (below || "."),
  );
  const at = Number(url.searchParams.get("cursor") ?? 0);
  const next = new URL(url);
  next.searchParams.set("cursor", String(at + 1));
  const more = at + 1 < paths.length && recursive;
  const headers: Record<string, string> = more ? { link: `<${next.href}>; rel="next"` } : {};
  const shown = recursive ? paths.slice(at, at + 1) : paths;
  reply.writeHead(200, headers).end(JSON.stringify(shown.map(entry)));
}

async function hub() {
  const authorized: string[] = [];
  // Large files are served by another origin, which must not see the token.
  const cdn = await startWebServer((request, reply) => {
    authorized.push(request.headers.authorization ?? "");
    const content = files[decodeURIComponent((request.url ?? "").slice(1))] ?? Buffer.alloc(0);
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const common = { etag: '"content"', "accept-ranges": "bytes" };
    if (from === undefined) return void reply.writeHead(200, common).end(content);
    const end = to ? Number(to) + 1 : content.length;
    const range = `bytes ${from}-${end - 1}/${content.length}`;
    reply.writeHead(206, { ...common, "content-range": range });
    reply.end(content.subarray(Number(from), end));
  });
  const server = await startWebServer((request, reply) => {
    if (request.headers.authorization !== `Bearer ${token}`) {
      return void reply.writeHead(401).end('{"error":"Invalid credentials"}');
    }
    const url = new URL(request.url ?? "", server.url);
    const tree = `/api/models/org/name/tree/${commit}`;
    if (url.pathname === "/api/models/org/name/revision/main") {
      return void reply.end(JSON.stringify({ sha: commit }));
    }
    if (url.pathname.startsWith(tree)) {
      return sendTree(url, url.pathname.slice(tree.length + 1), reply);
    }
    const [, path] = url.pathname.split(`/org/name/resolve/${commit}/`);
    if (path === undefined || files[path] === undefined) {
      return void reply.writeHead(404).end('{"error":"Repository not found"}');
    }
    reply.writeHead(302, { location: `${cdn.url}/${path}` }).end();
  });
  return {
    url: server.url,
    authorized,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await cdn[Symbol.asyncDispose]();
    },
  };
}

async function fetched(path: string, environment: Record<string, string> = {}) {
  const root = await mkdtemp(join(tmpdir(), "pilotlight-hf-"));
  await using server = await hub();
  try {
    const { versions, name } = await resolveModel(
      {
        storageUri: `hf://org/name${path}`,
        modelDir: root,
        modelBytesMax: 1e8,
        policy: { attemptsMax: 2, delayMs: 1, delayMsMax: 1 },
      },
      { HF_ENDPOINT: server.url, HF_TOKEN: token, ALLOW_PRIVATE_NETWORKS: "true", ...environment },
      new AbortController().signal,
    );
    const file = versions.at(-1)?.path ?? "";
    const beside = await readdir(join(file, ".."));
    return { name, content: await readFile(file), beside, authorized: server.authorized };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

describe("a model on a Hugging Face hub", () => {
  it("is fetched whole from another origin, which never sees the token", async () => {
    const { content, authorized } = await fetched("/onnx/model.onnx");
    assert(content.equals(large));
    assert(authorized.length > 1 && authorized.every((each) => each === ""), "the token leaked");
  });

  it("comes without the weights of other frameworks and without other precisions", async () => {
    const { beside } = await fetched("/onnx");
    assert.deepEqual(beside, ["model.onnx"]);
  });

  it("comes in another precision when the path names it", async () => {
    const { content, name } = await fetched("/onnx/model_quantized.onnx");
    assert.deepEqual([name, String(content)], ["model_quantized", "small"]);
  });

  const refusals: [path: string, token: string, code: string, says: RegExp][] = [
    ["/onnx", "wrong", "access-denied", /HF_TOKEN/],
    ["@v2/onnx", token, "not-found", /check the repository, the revision and the path/],
    ["/absent.onnx", token, "not-found", /no such file/],
    ["/forged/model.onnx", token, "unavailable", /has the SHA-1 \w+, the server promised/],
  ];
  for (const [path, given, code, says] of refusals) {
    it(`says ${code} for ${path} with ${given === token ? "the" : "another"} token`, () =>
      assert.rejects(fetched(path, { HF_TOKEN: given }), (error) => {
        assert(error instanceof StorageError, String(error));
        assert.equal(error.code, code, error.message);
        assert.match(error.message, says);
        return true;
      }));
  }
});
