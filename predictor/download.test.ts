import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";

const MAIN = join(import.meta.dirname, "main.ts");

describe("predictor download", () => {
  let folder: string;
  let models: string;
  const server = createServer((request, reply) => {
    const body = request.url?.startsWith("/there") ? PMML : undefined;
    reply.writeHead(body === undefined ? 404 : 200).end(body ?? "");
  });
  /** A model that our own predictor would refuse to take for one. */
  const PMML = '<?xml version="1.0"?><PMML version="4.4"/>';

  before(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(() => server.close());

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "pl-download-"));
    models = join(folder, "models");
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function download(
    env: Readonly<Record<string, string>>,
  ): Promise<{ code: number; err: string }> {
    const child = spawn(process.execPath, [MAIN, "download"], {
      env: {
        PATH: process.env["PATH"],
        MODEL_DIR: models,
        TERMINATION_LOG: join(folder, "none"),
        ...env,
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let err = "";
    child.stderr.on("data", (chunk: Buffer) => (err += String(chunk)));
    const [code] = (await once(child, "close")) as [number];
    return { code, err };
  }

  const url = (path: string): string =>
    `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;

  it("puts a folder there as it is, what links lead to included", async () => {
    const from = join(folder, "from");
    await mkdir(join(from, "1"), { recursive: true });
    await writeFile(join(from, "1", "model.joblib"), "bytes");
    await symlink("1", join(from, "latest"));
    assert.deepEqual(await download({ STORAGE_URI: `file://${from}` }), { code: 0, err: "" });
    assert.equal(await readFile(join(models, "latest/model.joblib"), "utf8"), "bytes");
  });

  it("a single file of any kind keeps its name", async () => {
    const STORAGE_URI = url("/there/my%20model.pmml?signature=1");
    const { code, err } = await download({ STORAGE_URI, ALLOW_INSECURE_HTTP: "true" });
    assert.equal(code, 0, err);
    assert.deepEqual(await readdir(models), ["my model.pmml"]);
    assert.equal(await readFile(join(models, "my model.pmml"), "utf8"), PMML);
  });

  it("leaves the digest of what it fetched for the pod's status", async () => {
    const TERMINATION_LOG = join(folder, "termination-log");
    await writeFile(TERMINATION_LOG, "");
    const env = { STORAGE_URI: url("/there/m.pmml"), ALLOW_INSECURE_HTTP: "true", TERMINATION_LOG };
    assert.deepEqual(await download(env), { code: 0, err: "" });
    const sha256 = createHash("sha256").update(PMML).digest("hex");
    assert.equal(await readFile(TERMINATION_LOG, "utf8"), `model digest sha256:${sha256}`);
  });

  it("an archive is unpacked", async () => {
    const archive = join(folder, "model.tar.gz");
    await writeFile(archive, gzipSync(tarOf("config.json", "{}")));
    const { code, err } = await download({ STORAGE_URI: archive });
    assert.equal(code, 0, err);
    assert.equal(await readFile(join(models, "config.json"), "utf8"), "{}");
  });

  const failures = [
    { why: "nothing said", env: {}, code: 64, words: /STORAGE_URI is not set/ },
    { why: "nothing there", env: { STORAGE_URI: "/nowhere" }, code: 66, words: /does not exist/ },
    { why: "no such scheme", env: { STORAGE_URI: "ftp://a/b" }, code: 64, words: /not supported/ },
  ];
  for (const { why, env, code, words } of failures) {
    it(`${why}: exit code ${code}, in the words of the predictor`, async () => {
      const found = await download(env);
      assert.equal(found.code, code, found.err);
      assert.match(found.err, words);
    });
  }

  it("not there on a server: 66", async () => {
    const { code } = await download({ STORAGE_URI: url("/gone"), ALLOW_INSECURE_HTTP: "true" });
    assert.equal(code, 66);
  });
});

/** A tar archive of one file (POSIX ustar). */
function tarOf(name: string, text: string): Buffer {
  const head = Buffer.alloc(512);
  const put = (at: number, value: string): void => void head.write(value, at, "latin1");
  put(0, name);
  put(100, "0000644\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, `${text.length.toString(8).padStart(11, "0")}\0`);
  put(136, "00000000000\0");
  put(148, "        ");
  put(156, "0");
  put(257, "ustar\x0000");
  const sum = head.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  const body = Buffer.alloc(512);
  body.write(text);
  return Buffer.concat([head, body, Buffer.alloc(1024)]);
}
