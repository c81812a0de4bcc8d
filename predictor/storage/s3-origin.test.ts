/** What is asked of a server, counted: the server here only knows the answers of this test. */
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "mocha";

import { createHttpClient } from "./http-client.ts";
import type { FolderListing } from "./local.ts";
import type { Fetched } from "./origin.ts";
import { createS3Client } from "./s3-client.ts";
import { createS3Origin } from "./s3-origin.ts";
import { inFolder } from "./testing/folder.ts";
import { startWebServer } from "./testing/web-server.ts";
import type { WebServer } from "./testing/web-server.ts";

const PAGES: Readonly<Record<string, string>> = {
  "":
    "<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>" +
    "<Contents><Key>m/labels.txt</Key><Size>6</Size><ETag>1</ETag></Contents>",
  next: "<Contents><Key>m/model.onnx</Key><Size>9</Size><ETag>2</ETag></Contents>",
};

function startServer(): Promise<WebServer> {
  return startWebServer(({ url = "" }, reply) => {
    const { pathname, searchParams } = new URL(url, "http://server");
    const page = PAGES[searchParams.get("continuation-token") ?? ""] ?? "";
    reply.end(
      searchParams.has("list-type")
        ? `<ListBucketResult>${page}</ListBucketResult>`
        : `of ${pathname.split("/").at(-1)}`,
    );
  });
}

async function fetchInto(
  server: WebServer,
  into: string,
  { known, bytesMax = 1000 }: { readonly known?: string; readonly bytesMax?: number } = {},
): Promise<{ readonly fetched: Fetched; readonly listings: readonly FolderListing[] }> {
  const http = createHttpClient({ allowPrivate: true });
  const credentials = { kind: "anonymous" } as const;
  const settings = { endpoint: new URL(server.url), region: "us-east-1", credentials };
  const listings: FolderListing[] = [];
  const origin = createS3Origin({ bucket: "b", key: "m" }, createS3Client(settings, http), {
    http,
    signal: new AbortController().signal,
    shown: "s3://b/m",
    bytesMax,
    policy: { attemptsMax: 1, delayMs: 1, delayMsMax: 1 },
    check: (listing) => void listings.push(listing),
  });
  try {
    return { fetched: await origin(into, known), listings };
  } finally {
    http.close();
  }
}

const isListing = (path: string): boolean => path.includes("list-type=2");

describe("createS3Origin", () => {
  it("reads every page of a listing, judges it as a whole, then fetches each object once", () =>
    inFolder(async (folder) => {
      await using server = await startServer();
      const { listings } = await fetchInto(server, folder);
      assert.deepEqual(listings, [{ files: ["labels.txt", "model.onnx"], folders: new Map() }]);
      assert.deepEqual((await readdir(folder)).sort(), ["labels.txt", "model.onnx"]);
      assert.equal(await readFile(join(folder, "model.onnx"), "utf8"), "of model.onnx");
      assert.deepEqual(server.requests.map(isListing), [true, true, false, false]);
    }));

  it("fetches nothing when nothing changed", () =>
    inFolder(async (folder) => {
      await using server = await startServer();
      const { fetched } = await fetchInto(server, folder);
      assert.ok(fetched.kind === "fetched" && fetched.validator !== undefined);
      const before = server.requests.length;
      const again = await fetchInto(server, folder, { known: fetched.validator });
      assert.deepEqual(again.fetched, { kind: "unchanged" });
      assert.ok(server.requests.slice(before).every(isListing));
    }));

  it("fetches nothing of what is too large in all", () =>
    inFolder(async (folder) => {
      await using server = await startServer();
      await assert.rejects(fetchInto(server, folder, { bytesMax: 14 }), /MODEL_BYTES_MAX/);
      assert.ok(server.requests.every(isListing));
    }));
});
