import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "mocha";

import type { RetryNotice } from "../storage/retry.ts";
import { StorageError } from "../storage/storage-error.ts";
import type { StorageErrorCode } from "../storage/storage-error.ts";
import { inFolder, withoutWriting } from "../storage/testing/folder.ts";
import { tarGz } from "../storage/testing/tar-gz.ts";
import { startWebServer } from "../storage/testing/web-server.ts";
import type { Handler } from "../storage/testing/web-server.ts";
import { parseStorageUri } from "../storage/uri.ts";
import { fetchModel } from "./remote.ts";
import type { FetchOptions } from "./remote.ts";

const MODEL = Buffer.from("\b\b\u0012\u0007pytorch, or so");
const policy = { attemptsMax: 3, delayMs: 1, delayMsMax: 1 };

interface Fetched {
  readonly files: string[];
  readonly contents: Buffer[];
  readonly digest: string | undefined;
}

async function fetch(
  uri: string,
  modelDir: string,
  options: Partial<FetchOptions> = {},
  environment: Readonly<Record<string, string>> = {},
): Promise<Fetched> {
  const { versions, digest } = await fetchModel(
    parseStorageUri(uri, true),
    { storageUri: uri, modelDir, modelBytesMax: 10_000, shown: uri, policy, ...options },
    {
      environment: { ALLOW_PRIVATE_NETWORKS: "true", ...environment },
      signal: new AbortController().signal,
    },
  );
  const contents = await Promise.all(versions.map(({ path }) => readFile(path)));
  return { files: versions.map(({ path }) => path.replace(/^.*\/model\//, "")), contents, digest };
}

/** Serves one handler, fetches its /m.onnx, expects this refusal and nothing left on the disk. */
async function assertRefused(
  handler: Handler,
  code: StorageErrorCode,
  says: RegExp,
): Promise<void> {
  await inFolder(async (folder) => {
    await using server = await startWebServer(handler);
    await assert.rejects(fetch(`${server.url}/m.onnx`, folder), (error) => {
      assert.ok(error instanceof StorageError, String(error));
      assert.match(error.message, says);
      assert.equal(error.code, code);
      return true;
    });
    assert.deepEqual(await readdir(join(folder, ".pilotlight")), []);
  });
}

describe("a model behind https", () => {
  it("is fetched, and only again when it changed", () =>
    inFolder(async (folder) => {
      let state = "one";
      let unchanged = 0;
      await using server = await startWebServer(({ headers }, reply) => {
        const etag = `"${state}"`;
        if (headers["if-none-match"] === etag) unchanged += 1;
        if (headers["if-none-match"] === etag) return void reply.writeHead(304).end();
        reply.writeHead(200, { etag }).end(`model ${state}`);
      });
      const uri = `${server.url}/m.onnx?token=1`;
      const first = await fetch(uri, folder);
      assert.deepEqual(first.files, ["model.onnx"]);
      assert.equal(String(first.contents[0]), "model one");
      const again = await fetch(uri, folder);
      assert.equal(String(again.contents[0]), "model one");
      assert.equal(again.digest, first.digest);
      assert.equal(unchanged, 1);
      state = "two";
      const changed = await fetch(uri, folder);
      assert.equal(String(changed.contents[0]), "model two");
      assert.notEqual(changed.digest, first.digest);
      const kept = await readdir(join(folder, ".pilotlight"));
      assert.equal(kept.length, 1, `the outdated copy is gone: ${kept.join(", ")}`);
    }));

  it("is hashed on its way where the server has no word for its state", () =>
    inFolder(async (folder) => {
      await using server = await startWebServer((_, reply) => void reply.end(MODEL));
      const { digest } = await fetch(`${server.url}/m.onnx`, folder);
      assert.equal(digest, `sha256:${createHash("sha256").update(MODEL).digest("hex")}`);
    }));

  it("is unpacked when it is an archive, whatever its address ends with", () =>
    inFolder(async (folder) => {
      const archive = await tarGz([{ name: "iris/2/model.onnx", content: MODEL }]);
      await using server = await startWebServer((_, reply) => void reply.end(archive));
      const { files, contents } = await fetch(`${server.url}/download?id=7`, folder);
      assert.deepEqual(files, ["iris/2/model.onnx"]);
      assert.deepEqual(contents, [MODEL]);
    }));

  it("is tried again after a 503, a broken connection and a wrong digest", () =>
    inFolder(async (folder) => {
      const md5 = createHash("md5").update(MODEL).digest("base64");
      const replies: Handler[] = [
        (_, reply) => void reply.writeHead(503, { "retry-after": "0" }).end(),
        (_, reply) => {
          reply.writeHead(200, { "content-length": MODEL.length });
          reply.write(MODEL.subarray(0, 5), () => reply.destroy());
        },
        (_, reply) => void reply.writeHead(200, { "content-md5": md5 }).end("something else"),
        (_, reply) => void reply.writeHead(200, { "content-md5": md5 }).end(MODEL),
      ];
      await using server = await startWebServer((request, reply) =>
        replies.shift()?.(request, reply),
      );
      const notices: RetryNotice[] = [];
      const { contents } = await fetch(`${server.url}/m.onnx`, folder, {
        policy: { ...policy, attemptsMax: 4 },
        onRetry: (notice) => void notices.push(notice),
      });
      assert.deepEqual(contents, [MODEL]);
      const [busy, broken, forged] = notices.map(({ message }) => message);
      assert.match(busy ?? "", /HTTP 503/);
      assert.match(broken ?? "", /broke after 5 of \d+ bytes/);
      assert.match(forged ?? "", /has the MD5 \w+, the server promised/);
    }));

  it("is served from the last copy while the server is down", () =>
    inFolder(async (folder) => {
      let up = true;
      await using server = await startWebServer((_, reply) => {
        if (up) reply.end(MODEL);
        else reply.writeHead(500).end();
      });
      const uri = `${server.url}/m.onnx`;
      await fetch(uri, folder);
      up = false;
      const reasons: string[] = [];
      const { contents } = await fetch(uri, folder, {
        onStale: (cause) => void reasons.push(cause.message),
      });
      assert.deepEqual(contents, [MODEL]);
      assert.equal(reasons.length, 1);
      assert.match(reasons[0] ?? "", /HTTP 500, 3 attempts/);
    }));

  it("is served from its copy on a volume that can't be written any more", () =>
    inFolder(async (folder) => {
      await using server = await startWebServer((_, reply) => void reply.end(MODEL));
      const uri = `${server.url}/m.onnx`;
      await fetch(uri, folder);
      const reasons: string[] = [];
      await withoutWriting(folder, async () => {
        const onStale = (cause: Error): void => void reasons.push(cause.message);
        assert.deepEqual((await fetch(uri, folder, { onStale })).contents, [MODEL]);
        await assert.rejects(fetch(`${server.url}/other.onnx`, folder), /mount an emptyDir/);
      });
      assert.match(reasons.join("\n"), /^MODEL_DIR: .*can't be written; mount an emptyDir/);
    }));

  it("is not served from the last copy once access to it is refused", () =>
    inFolder(async (folder) => {
      let status = 200;
      await using server = await startWebServer((_, reply) => {
        reply.writeHead(status).end(MODEL);
      });
      await fetch(`${server.url}/m.onnx`, folder);
      status = 403;
      await assert.rejects(fetch(`${server.url}/m.onnx`, folder), /access denied/);
    }));

  it("is found behind three redirects, not four", () =>
    inFolder(async (folder) => {
      await using server = await startWebServer(({ url = "" }, reply) => {
        const left = Number(url.slice(1));
        if (left === 0) reply.end(MODEL);
        else reply.writeHead(302, { location: `/${left - 1}` }).end();
      });
      assert.deepEqual((await fetch(`${server.url}/3`, folder)).contents, [MODEL]);
      await assert.rejects(fetch(`${server.url}/4`, folder), /more than 3 redirects/);
    }));

  it("survives a killed download: the leftover is removed, the next one is whole", () =>
    inFolder(async (folder) => {
      await using server = await startWebServer((_, reply) => void reply.end(MODEL));
      // What a process with our number left behind when its container was killed.
      const { hostname } = await import("node:os");
      const left = join(folder, ".pilotlight", `tmp~${hostname()}~${process.pid}~0000~0000`);
      await mkdir(join(left, "model"), { recursive: true });
      await writeFile(join(left, "model", "model.onnx"), "half of");
      assert.deepEqual((await fetch(`${server.url}/m.onnx`, folder)).contents, [MODEL]);
      const names = await readdir(join(folder, ".pilotlight"));
      assert.equal(names.filter((name) => name.startsWith("tmp~")).length, 0);
    }));

  it("may be fetched twice at once", () =>
    inFolder(async (folder) => {
      await using server = await startWebServer((_, reply) => {
        reply.writeHead(200, { etag: '"same"' }).end(MODEL);
      });
      const uri = `${server.url}/m.onnx`;
      const both = await Promise.all([fetch(uri, folder), fetch(uri, folder)]);
      assert.deepEqual(
        both.flatMap(({ contents }) => contents),
        [MODEL, MODEL],
      );
      assert.equal((await readdir(join(folder, ".pilotlight"))).length, 1);
    }));

  const refused: readonly {
    handler: Handler;
    code: StorageErrorCode;
    says: RegExp;
    why: string;
  }[] = [
    {
      handler: (_, reply) => void reply.writeHead(404).end(),
      code: "not-found",
      says: /HTTP 404/,
      why: "nothing there",
    },
    {
      handler: (_, reply) => void reply.writeHead(401).end(),
      code: "access-denied",
      says: /signed address/,
      why: "a login",
    },
    {
      handler: (_, reply) => void reply.writeHead(503).end(),
      code: "unavailable",
      says: /3 attempts/,
      why: "a server that is down",
    },
    {
      handler: (_, reply) => void reply.writeHead(206).end("x"),
      code: "unavailable",
      says: /HTTP 206/,
      why: "a part that nobody asked for",
    },
    {
      handler: (_, reply) => void reply.end("<!DOCTYPE html>"),
      code: "invalid",
      says: /HTML page/,
      why: "a page instead of a model",
    },
    {
      handler: (_, reply) => void reply.end(),
      code: "invalid",
      says: /empty/,
      why: "an empty file",
    },
    {
      handler: (_, reply) => void reply.end("PK\u0003\u0004zip"),
      code: "invalid",
      says: /no intact zip file/,
      why: "a zip archive",
    },
    {
      handler: (_, reply) => void reply.end(Buffer.alloc(20_000)),
      code: "invalid",
      says: /MODEL_BYTES_MAX/,
      why: "too much",
    },
    {
      handler: (_, reply) => {
        const more = (): void => void reply.write(Buffer.alloc(1000), more);
        more();
      },
      code: "invalid",
      says: /MODEL_BYTES_MAX/,
      why: "a body without an end",
    },
    {
      handler: (_, reply) => void reply.writeHead(302, { location: "ftp://h/x" }).end(),
      code: "invalid",
      says: /redirects to ftp:/,
      why: "a redirect to another protocol",
    },
    {
      handler: (_, reply) => void reply.writeHead(302, { location: "http://u:p@h/x" }).end(),
      code: "invalid",
      says: /not followed/,
      why: "a redirect with a password",
    },
    {
      handler: (_, reply) => void reply.writeHead(302).end(),
      code: "unavailable",
      says: /nowhere/,
      why: "a redirect to nowhere",
    },
  ];
  for (const { handler, code, says, why } of refused) {
    it(`refuses ${why} (${code})`, () => assertRefused(handler, code, says));
  }

  it("refuses an archive without a model, and keeps nothing of it", async () => {
    const archive = await tarGz([{ name: "src/train.py", content: "import torch" }]);
    await assertRefused((_, reply) => void reply.end(archive), "not-found", /no \.onnx file there/);
  });

  it("leaves nothing behind when it is aborted", () =>
    inFolder(async (folder) => {
      const controller = new AbortController();
      await using server = await startWebServer((_, reply) => {
        reply.write("some", () => controller.abort(new Error("SIGTERM")));
      });
      const uri = `${server.url}/m.onnx`;
      const fetching = fetchModel(
        parseStorageUri(uri, true),
        { storageUri: uri, modelDir: folder, modelBytesMax: 10_000, shown: uri, policy },
        { environment: { ALLOW_PRIVATE_NETWORKS: "true" }, signal: controller.signal },
      );
      await assert.rejects(fetching, /SIGTERM|aborted/);
      assert.deepEqual(await readdir(join(folder, ".pilotlight")), []);
    }));

  it("is refused where a redirect leaves the hosts that models may come from", () =>
    inFolder(async (folder) => {
      await using server = await startWebServer((request, reply) => {
        const elsewhere = `http://localhost:${new URL(server.url).port}/m.onnx`;
        reply.writeHead(302, { location: elsewhere }).end(String(request.url));
      });
      const fetching = fetch(`${server.url}/m.onnx`, folder, {}, { ALLOWED_HOSTS: "127.0.0.1" });
      await assert.rejects(
        fetching,
        /localhost is not fetched from: ALLOWED_HOSTS has 127\.0\.0\.1/,
      );
      assert.equal(server.requests.length, 1);
    }));

  it("says where it could not be put", () =>
    inFolder(async (folder) => {
      await writeFile(join(folder, "file"), "");
      await using server = await startWebServer((_, reply) => void reply.end(MODEL));
      await assert.rejects(
        fetch(`${server.url}/m.onnx`, join(folder, "file")),
        (error) => error instanceof StorageError && /mount an emptyDir/.test(error.message),
      );
    }));
});
