/** Azurite, Microsoft's own emulator, which checks signatures, with an empty container. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { AZURITE, ensureNpmTool } from "../../../hack/npm/tool.ts";
import { startProgram } from "../../storage/testing/program.ts";
import type { TestStore } from "./store-suite.ts";

const account = "pilotlight";
const key = Buffer.from("a key of an account in a test, and nowhere else");

/** Keeps its files below `root`. The first run on a machine installs it. */
export async function startAzurite(root: string): Promise<TestStore> {
  const folder = await ensureNpmTool(...AZURITE);
  await mkdir(join(root, "azurite"));
  const program = join(folder, "dist/src/blob/main.js");
  const server = await startProgram({
    command: process.execPath,
    args: (port) => [
      program,
      "--blobHost=127.0.0.1",
      `--blobPort=${port}`,
      `--location=${join(root, "azurite")}`,
      "--skipApiVersionCheck",
      "--disableTelemetry",
    ],
    environment: () => ({ AZURITE_ACCOUNTS: `${account}:${key.toString("base64")}` }),
    listening: /successfully listens/,
  });
  const base = `http://${server.address}/${account}`;
  const send = async (path: string, query: string, content: Buffer): Promise<void> => {
    const url = new URL(`${base}/${path}${query}`);
    const headers: Record<string, string> = {
      "x-ms-date": new Date().toUTCString(),
      "x-ms-version": "2021-12-02",
      ...(query === "" ? { "x-ms-blob-type": "BlockBlob" } : {}),
    };
    const own = Object.keys(headers).sort();
    const resource = `/${account}${url.pathname}${query === "" ? "" : "\nrestype:container"}`;
    const length = content.length === 0 ? "" : String(content.length);
    const lines = ["PUT", "", "", length, "", "application/x", "", "", "", "", "", ""];
    const canonical = own.map((name) => `${name}:${headers[name]}\n`).join("");
    const text = `${lines.join("\n")}\n${canonical}${resource}`;
    const signature = createHmac("sha256", key).update(text).digest("base64");
    const authorization = `SharedKey ${account}:${signature}`;
    const init = { method: "PUT", body: new Uint8Array(content) };
    const all = { ...headers, authorization, "content-type": "application/x" };
    const reply = await fetch(url, { ...init, headers: all });
    assert.equal(reply.status, 201, await reply.text());
  };
  await send("models", "?restype=container", Buffer.alloc(0));
  return {
    environment: {
      AZURE_STORAGE_ACCOUNT: account,
      AZURE_STORAGE_KEY: key.toString("base64"),
      AZURE_STORAGE_BLOB_ENDPOINT: base,
    },
    uri: (path) => `az://models/${path}`,
    put: async (path, content) =>
      send(`models/${path.split("/").map(encodeURIComponent).join("/")}`, "", content),
    [Symbol.asyncDispose]: async () => server[Symbol.asyncDispose](),
  };
}
