/**
 * The real program with real processes that keep the runtime contract (testing/contract-server.ts).
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, it } from "mocha";
import { Agent, request } from "undici";
import { CliProcess, gone } from "./testing/cli-process.ts";

const SERVER = fileURLToPath(new URL("testing/contract-server.ts", import.meta.url));

interface Manifest {
  readonly name?: string;
  readonly args?: readonly string[];
  readonly env?: readonly object[];
  readonly predictor?: object;
}

function manifest({ name = "iris", args = [], env = [], predictor = {} }: Manifest): string {
  const model = { modelFormat: { name: "onnx" }, storageUri: "file:///tmp", args, env };
  return JSON.stringify({
    apiVersion: "pilotlight.dev/v1beta1",
    kind: "InferenceService",
    metadata: { name },
    spec: { predictor: { ...predictor, model } },
  });
}

describe("pilotlight serve", function () {
  // Programs are started, and the machine may be busy with other things.
  this.timeout(60_000);

  let folder: string;
  let agent: Agent;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "pilotlight-test-"));
    agent = new Agent();
  });

  afterEach(async () => {
    await agent.destroy();
    await rm(folder, { recursive: true, force: true });
  });

  async function start(manifests: readonly Manifest[], ...flags: string[]): Promise<CliProcess> {
    const file = path.join(folder, "isvc.yaml");
    await writeFile(file, manifests.map((each) => manifest(each)).join("\n---\n"));
    const fixed = ["--port", "0", "--log-format", "json", "--predictor", SERVER];
    // What the program leaves behind must be seen, so its temporary folder is ours.
    return new CliProcess(["serve", "-f", file, ...fixed, ...flags], { TMPDIR: folder });
  }

  interface Answer {
    readonly status: number;
    readonly text: string;
    readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  }

  async function ask(url: string, init: Parameters<typeof request>[1] = {}): Promise<Answer> {
    const { statusCode, headers, body } = await request(url, { dispatcher: agent, ...init });
    return { status: statusCode, headers, text: await body.text() };
  }

  it("answers from zero, holds a burst at the limit, goes back to zero, and wakes again", async () => {
    await using cli = await start(
      [{ predictor: { containerConcurrency: 4, maxReplicas: 1 } }],
      "--scale-to-zero-after",
      "1s",
    );
    const { url } = await cli.next("listening");
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        ask(`${url}/v2/models/iris/infer?ms=20`, { method: "POST", body: `number ${index}` }),
      ),
    );
    answers.forEach((answer, index) => {
      assert.deepEqual([answer.status, answer.text], [200, `number ${index}`]);
    });
    const most = Math.max(...answers.map(({ headers }) => Number(headers["x-most-inside"])));
    assert.equal(most, 4);
    await cli.next("cold-start");
    const first = await cli.next("ready");
    assert.ok(first.tookMs > 0);
    const { idleMs } = await cli.next("scaled-to-zero");
    assert.ok(idleMs >= 1000, `${idleMs}`);
    await gone(first.pid);
    assert.equal((await ask(`${url}/v2/models/iris/infer`, { method: "POST" })).status, 200);
    const second = await cli.next("ready");
    assert.notEqual(second.pid, first.pid);
    assert.ok(!cli.events().some(({ event }) => event === "crashed"));
  });

  it("gives a process the contract's environment, its arguments, and a request its headers", async () => {
    const env = [
      { name: "LITERAL", value: "x" },
      { name: "FROM_SECRET", valueFrom: { secretKeyRef: { name: "s", key: "k" } } },
    ];
    const file = path.join(folder, "isvc.yaml");
    await writeFile(file, manifest({ env, args: ["--answer-ms", "1"], predictor: { timeout: 9 } }));
    await using cli = new CliProcess(
      ["serve", "-f", file, "--port", "0", "--log-format", "json", "--predictor", SERVER],
      { TMPDIR: folder, FROM_SECRET: "secret", STRAY: "x" },
    );
    const { url } = await cli.next("listening");
    const seen = JSON.parse((await ask(`${url}/env`)).text) as {
      env: Record<string, string>;
      argv: string[];
    };
    assert.equal(seen.env["MODEL_NAME"], "iris");
    assert.equal(seen.env["STORAGE_URI"], "file:///tmp");
    assert.equal(seen.env["REQUEST_TIMEOUT_SECONDS"], "9");
    assert.equal(seen.env["LITERAL"], "x");
    assert.equal(seen.env["FROM_SECRET"], "secret");
    assert.ok(!("STRAY" in seen.env));
    assert.ok(existsSync(seen.env["MODEL_DIR"] ?? ""));
    assert.deepEqual(seen.argv, ["--answer-ms", "1"]);
    const sent = { "x-request-id": "7", te: "trailers", host: "iris.default.example.com" };
    const headers = JSON.parse((await ask(`${url}/headers`, { headers: sent })).text) as object;
    assert.deepEqual(
      { ...headers, connection: undefined },
      {
        host: "iris.default.example.com",
        "x-request-id": "7",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        connection: undefined,
      },
    );
  });

  it("passes large bodies through both ways, and an answer that comes before the body is read", async () => {
    await using cli = await start([{}]);
    const { url } = await cli.next("listening");
    const body = Buffer.alloc(20_000_000, "0123456789");
    const echoed = await ask(`${url}/echo`, { method: "POST", body });
    assert.equal(echoed.text.length, body.length);
    assert.ok(Buffer.from(echoed.text).equals(body));
    const early = await ask(`${url}/refuse-early`, { method: "POST", body });
    assert.deepEqual([early.status, early.text], [413, "too large"]);
  });

  it("routes several services by path and by Host", async () => {
    await using cli = await start([{ name: "one" }, { name: "two" }]);
    const { url } = await cli.next("listening");
    const byPath = await ask(`${url}/v2/models/two/infer`, { method: "POST", body: "x" });
    const host = "two-predictor.default.svc";
    const byHost = JSON.parse((await ask(`${url}/env`, { headers: { host } })).text) as {
      env: Record<string, string>;
    };
    assert.equal(byPath.status, 200);
    assert.equal(byHost.env["MODEL_NAME"], "two");
    const neither = await ask(`${url}/v2/models/three/infer`, { method: "POST", body: "x" });
    assert.equal(neither.status, 404);
    assert.match(neither.text, /^\{"error":"no model three.*one\.default, two\.default"\}$/);
    assert.equal(cli.events().filter(({ event }) => event === "ready").length, 1);
  });

  it("tells why a model does not start, at once and until it may be tried again", async () => {
    await using cli = await start([{ args: ["--fail", "66:no model at file:///tmp"] }]);
    const { url } = await cli.next("listening");
    const first = await ask(`${url}/v2/models/iris/infer`, { method: "POST", body: "x" });
    const error =
      "the predictor of iris does not run: ModelNotFound: no model at file:///tmp (exit code 66)";
    assert.deepEqual([first.status, first.text], [503, JSON.stringify({ error })]);
    assert.equal(first.headers["retry-after"], "1");
    const crash = await cli.next("crashed");
    assert.equal(crash.reason, "ModelNotFound");
    assert.equal(crash.exitCode, 66);
    assert.equal((await ask(`${url}/`)).text, first.text);
  });

  it("starts again after a crash, and loses only what the crashed one worked on", async () => {
    await using cli = await start([{ predictor: { containerConcurrency: 2, maxReplicas: 1 } }]);
    const { url } = await cli.next("listening");
    const [killer, beside, ...waiting] = await Promise.all([
      ask(`${url}/abort`),
      ask(`${url}/v2/models/iris/infer?ms=5000`, { method: "POST", body: "x" }),
      ask(`${url}/v2/models/iris/infer`, { method: "POST", body: "y" }),
      ask(`${url}/v2/models/iris/infer`, { method: "POST", body: "z" }),
    ]);
    for (const lost of [killer, beside]) {
      assert.equal(lost.status, 503);
      assert.match(lost.text, /ended during this request: Crashed: killed by SIGKILL/);
    }
    assert.deepEqual(
      waiting.map(({ text }) => text),
      ["y", "z"],
    );
    assert.equal((await cli.next("crashed")).lost, 2);
  });

  it("frees the place of a client that is gone, waiting or worked on", async () => {
    await using cli = await start([{ predictor: { containerConcurrency: 1, maxReplicas: 1 } }]);
    const { url } = await cli.next("listening");
    const leave = new AbortController();
    const init = { method: "POST", body: "x", signal: leave.signal } as const;
    const lost = [
      ask(`${url}/v2/models/iris/infer?ms=60000`, init),
      ask(`${url}/v2/models/iris/infer?ms=60000`, init),
    ].map(async (answer) => await assert.rejects(answer));
    await cli.next("ready");
    const patient = ask(`${url}/v2/models/iris/infer`, { method: "POST", body: "patient" });
    leave.abort();
    await Promise.all(lost);
    assert.equal((await patient).text, "patient");
    // The predictor is told as well: it must not go on working for nobody.
    while ((await ask(`${url}/inside`)).text !== "0");
  });

  it("answers a client that is still sending when the predictor crashes, and its next request", async () => {
    await using cli = await start([{}]);
    const { url } = await cli.next("listening");
    const { port, host } = new URL(url);
    const socket = connect(Number(port), "127.0.0.1");
    const body = Buffer.alloc(20_000_000);
    socket.write(`POST /abort HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${body.length}\r\n\r\n`);
    socket.write(body);
    socket.write(`GET /inside HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    const answers = await text(socket);
    assert.match(answers, /^HTTP\/1\.1 503 /);
    assert.match(answers, /ended during this request: Crashed: killed by SIGKILL/);
    assert.match(answers, /HTTP\/1\.1 200 OK[^]*0[^]*$/);
  });

  it("does not let half an answer look like a whole one", async () => {
    await using cli = await start([{}]);
    const { url } = await cli.next("listening");
    await assert.rejects(ask(`${url}/half`));
  });

  it("answers 504 when the time is over, cold start included", async () => {
    await using cli = await start([
      { name: "slow", predictor: { timeout: 1 } },
      { name: "late", args: ["--start-ms", "60000"], predictor: { timeout: 1 } },
    ]);
    const { url } = await cli.next("listening");
    const answers = await Promise.all([
      ask(`${url}/v2/models/slow/infer?ms=60000`, { method: "POST", body: "x" }),
      ask(`${url}/v2/models/late/infer`, { method: "POST", body: "x" }),
    ]);
    for (const { status, text } of answers) {
      assert.equal(status, 504);
      assert.equal(text, '{"error":"not answered within 1 s, the service\'s timeout"}');
    }
    assert.equal((await cli.next("timed-out")).count, 1);
  });

  it("Ctrl-C: no new requests, the last ones answered, everything ended and tidied, exit code 0", async () => {
    await using cli = await start([{ predictor: { containerConcurrency: 1, maxReplicas: 1 } }]);
    const { url } = await cli.next("listening");
    const last = [
      ask(`${url}/v2/models/iris/infer?ms=300`, { method: "POST", body: "inside" }),
      ask(`${url}/v2/models/iris/infer`, { method: "POST", body: "waiting" }),
    ];
    const { pid } = await cli.next("ready");
    cli.signal("SIGINT");
    assert.equal((await cli.next("draining")).inside, 2);
    await assert.rejects(ask(url), { code: "ECONNREFUSED" });
    const texts = (await Promise.all(last)).map(({ text }) => text);
    assert.deepEqual(texts, ["inside", "waiting"]);
    assert.equal(await cli.ended, 0);
    await gone(pid);
    assert.deepEqual(
      cli.events().map(({ event }) => event),
      ["listening", "serving", "cold-start", "ready", "draining", "stopped"],
    );
    assert.deepEqual(await readdir(folder), ["isvc.yaml"]);
    assert.equal(cli.stderr, "");
  });

  it("a second Ctrl-C ends at once, processes included", async () => {
    await using cli = await start([{}]);
    const { url } = await cli.next("listening");
    const lost = ask(`${url}/v2/models/iris/infer?ms=60000`, { method: "POST", body: "x" });
    const rejected = assert.rejects(lost);
    const { pid } = await cli.next("ready");
    cli.signal("SIGINT");
    await cli.next("draining");
    cli.signal("SIGINT");
    assert.equal(await cli.ended, 130);
    await rejected;
    await gone(pid);
    assert.deepEqual(await readdir(folder), ["isvc.yaml"]);
  });

  it("leaves no process behind when it is itself killed", async () => {
    await using cli = await start([{ predictor: { minReplicas: 1 } }]);
    const { pid } = await cli.next("ready");
    cli.signal("SIGKILL");
    assert.equal(await cli.ended, "SIGKILL");
    await gone(pid);
  });

  it("says in one line that the port is taken, and leaves nothing", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    await using cli = await start([{}], "--port", String(port));
    assert.equal(await cli.ended, 69);
    assert.equal(
      cli.stderr,
      `pilotlight serve: port ${port} of 127.0.0.1 is taken; choose another with --port (0 takes a free one)\n`,
    );
    await new Promise((resolve) => other.close(resolve));
  });

  it("lists every fault of a manifest with file, line and column", async () => {
    await using cli = await start([
      { predictor: { minReplica: 1 } },
      { name: "two", predictor: { minReplicas: 2, maxReplicas: 1 } },
    ]);
    assert.equal(await cli.ended, 65);
    const file = path.join(folder, "isvc.yaml");
    assert.deepEqual(cli.stderr.split("\n"), [
      "pilotlight serve: nothing is served:",
      `  ${file}:1:114: spec.predictor.minReplica is no known field; did you mean minReplicas?`,
      `  ${file}:3:127: spec.predictor.minReplicas: minReplicas 2 must not be greater than maxReplicas 1 (0 means no upper limit)`,
      "",
    ]);
  });
});
