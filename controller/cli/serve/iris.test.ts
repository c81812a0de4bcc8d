/** The real program with the real predictor and the real iris model. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, it } from "mocha";
import { CliProcess, gone, groupMembers } from "./testing/cli-process.ts";

const EXAMPLE = fileURLToPath(new URL("../../../examples/iris/", import.meta.url));

interface Answer {
  readonly outputs: readonly { readonly name: string; readonly data: readonly number[] }[];
}

async function labels(url: string): Promise<readonly number[] | undefined> {
  const body = await readFile(`${EXAMPLE}request.json`);
  const response = await fetch(`${url}/v2/models/iris/infer`, { method: "POST", body });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  const { outputs } = JSON.parse(text) as Answer;
  return outputs.find(({ name }) => name === "label")?.data;
}

describe("pilotlight serve examples/iris", function () {
  // Programs are started, and the machine may be busy with other things.
  this.timeout(60_000);

  let folder: string;

  beforeEach(async () => (folder = await mkdtemp(path.join(tmpdir(), "pilotlight-test-"))));
  // What a program that was killed could not tidy up goes with it.
  afterEach(async () => await rm(folder, { recursive: true, force: true }));

  function start(...args: string[]): CliProcess {
    const fixed = ["--port", "0", "--log-format", "json"];
    return new CliProcess(["serve", ...args, ...fixed], { TMPDIR: folder });
  }

  it("answers from zero, many at once, and goes back to zero without an executor left", async () => {
    const manifest = `${EXAMPLE}isvc.yaml`;
    await using cli = start("-f", manifest, "--scale-to-zero-after", "1s");
    const { url } = await cli.next("listening");
    assert.deepEqual(await labels(url), [0, 1, 2]);
    const { pid } = await cli.next("ready");
    assert.ok((await groupMembers(pid)).length > 1, "predictor and executor");
    const answers = await Promise.all(Array.from({ length: 100 }, async () => await labels(url)));
    assert.ok(answers.every((answer) => answer?.join() === "0,1,2"));
    await cli.next("scaled-to-zero");
    await gone(pid);
    assert.deepEqual(await groupMembers(pid), []);
    assert.deepEqual(await labels(url), [0, 1, 2]);
  });

  it("serves a folder, starts again after a crash, and ends cleanly with Ctrl-C", async () => {
    await using cli = start(`${EXAMPLE}model/iris.onnx`);
    const { url } = await cli.next("listening");
    await labels(url);
    const first = await cli.next("ready");
    process.kill(first.pid, "SIGKILL");
    const { message } = await cli.next("crashed");
    assert.match(message, /^killed by SIGKILL/);
    assert.deepEqual(await labels(url), [0, 1, 2]);
    const second = await cli.next("ready");
    assert.deepEqual(await groupMembers(first.pid), []);
    cli.signal("SIGINT");
    assert.equal(await cli.ended, 0);
    assert.deepEqual(await groupMembers(second.pid), []);
  });

  it("leaves neither predictor nor executor behind when it is itself killed", async () => {
    await using cli = start(`${EXAMPLE}model/iris.onnx`);
    const { url } = await cli.next("listening");
    await labels(url);
    const { pid } = await cli.next("ready");
    const members = await groupMembers(pid);
    assert.ok(members.length > 1, "predictor and executor");
    cli.signal("SIGKILL");
    await cli.ended;
    await Promise.all(members.map(async (member) => await gone(member)));
  });

  it("answers with the predictor's own last words when there is no model", async () => {
    await using cli = start(`${EXAMPLE}README.md`);
    const { url } = await cli.next("listening");
    const response = await fetch(`${url}/v2/models/readme/infer`, { method: "POST", body: "{}" });
    assert.equal(response.status, 503);
    const { reason, message } = await cli.next("crashed");
    const { error } = (await response.json()) as { error: string };
    assert.equal(error, `the predictor of readme-md does not run: ${reason}: ${message}`);
    assert.match(reason, /^Model(NotFound|LoadFailed)$/);
    assert.ok(message.length > 40, message);
  });
});
