/** Whole starts that fail because of the storage: the exit code and the last words. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "mocha";

import { freePort } from "../../hack/free-port.ts";
import { inFolder } from "../storage/testing/folder.ts";
import { startWebServer } from "../storage/testing/web-server.ts";
import { TestPredictor } from "../testing/test-predictor.ts";

/** Variables that lead each store to a host. */
type Lead = (host: string) => Record<string, string>;

const leads: Readonly<Record<string, Lead>> = {
  gs: (host) => ({ STORAGE_URI: "gs://models/iris", STORAGE_EMULATOR_HOST: host }),
  az: (host) => ({
    STORAGE_URI: "az://models/iris",
    AZURE_STORAGE_ACCOUNT: "account",
    AZURE_STORAGE_KEY: "a2V5",
    AZURE_STORAGE_BLOB_ENDPOINT: `http://${host}/account`,
  }),
  hf: (host) => ({ STORAGE_URI: "hf://org/iris", HF_ENDPOINT: `http://${host}` }),
  oci: (host) => ({ STORAGE_URI: `oci://${host}/models/iris`, ALLOW_INSECURE_HTTP: "true" }),
};

async function failed(environment: Record<string, string>): Promise<[number | null, string]> {
  let words = "";
  let code: number | null = null;
  await inFolder(async (folder) => {
    const log = join(folder, "termination-log");
    await writeFile(log, "");
    const given = { ...environment, MODEL_DIR: join(folder, "models"), TERMINATION_LOG: log };
    await using predictor = new TestPredictor(given);
    code = await predictor.exited;
    words = await readFile(log, "utf8");
  });
  return [code, words];
}

describe("a start that the storage fails", () => {
  for (const [scheme, lead] of Object.entries(leads)) {
    it(`ends with 77 when ${scheme}:// refuses the credentials, and says what to do`, async () => {
      await using server = await startWebServer((_, reply) => void reply.writeHead(403).end());
      const [code, words] = await failed(lead(server.url.replace("http://", "")));
      assert.equal(code, 77, words);
      assert.match(words, new RegExp(`^${scheme}://.*access denied \\(HTTP 403\\); `));
    });
  }

  it("ends with 69 when nobody answers, after retries", async function () {
    this.timeout(60_000);
    const starts = Object.entries(leads).map(async ([scheme, lead]) => {
      const [code, words] = await failed(lead(`127.0.0.1:${await freePort()}`));
      assert.equal(code, 69, `${scheme}: ${words}`);
      assert.match(words, /no connection to http:.*6 attempts/);
    });
    await Promise.all(starts);
  });

  it("ends with 69 when the disk is full, and leaves no lock that others would wait for", () =>
    inFolder(async (folder) => {
      await using server = await startWebServer((_, reply) => void reply.end("a model, or so"));
      const main = join(import.meta.dirname, "../main.ts");
      // No file may get a byte.
      const limited = ["-c", 'ulimit -f 0; exec "$0" "$@"', process.execPath, main];
      const child = spawn("sh", limited, {
        env: {
          PATH: process.env["PATH"],
          HOST: "127.0.0.1",
          PORT: "0",
          STORAGE_URI: `${server.url}/m.onnx`,
          MODEL_DIR: folder,
          ALLOW_INSECURE_HTTP: "true",
        },
      });
      let words = "";
      child.stderr.on("data", (chunk: Buffer) => (words += chunk.toString()));
      child.stdout.resume();
      const [code] = (await once(child, "close")) as [number | null];
      assert.equal(code, 69, words);
      assert.match(words, /MODEL_DIR: is full; raise the volume's size limit/);
      assert.deepEqual(await readdir(folder, { recursive: true }), [".pilotlight"]);
    }));

  it("ends with 64 when the address is one that is not fetched from", async () => {
    const [code, words] = await failed({ STORAGE_URI: "https://169.254.169.254/latest/m.onnx" });
    assert.equal(code, 64, words);
    assert.match(words, /169\.254\.169\.254 is a link-local, metadata or reserved address/);
  });
});
