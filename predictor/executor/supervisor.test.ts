import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, afterEach, before, describe, it } from "mocha";
import {
  countingModel,
  endlessModel,
  falseBatchModel,
  identityModel,
  lookupModel,
  masklessModel,
  sequenceModel,
} from "../../hack/models/fixtures.ts";
import { distilbertModel } from "../../hack/models/distilbert.ts";
import { dataType, toBytes } from "../../hack/models/onnx.ts";
import type { DataType } from "../../hack/models/onnx.ts";
import { systemClock } from "../batch/port.ts";
import { datatypeOf, datatypes } from "../protocol/datatypes.ts";
import { packStrings } from "../protocol/tensor.ts";
import type { Tensor } from "../protocol/tensor.ts";
import type { LoadedModel } from "./messages.ts";
import { backoffMs, LoadFailed, Supervisor } from "./supervisor.ts";

const entry = {
  command: process.execPath,
  args: [fileURLToPath(new URL("child-main.ts", import.meta.url))],
};
const iris = fileURLToPath(new URL("../../examples/iris/model/iris.onnx", import.meta.url));

let folder = "";
const open: Supervisor[] = [];
before(async () => (folder = await mkdtemp(join(tmpdir(), "pilotlight-executor-"))));
after(async () => rm(folder, { recursive: true }));
afterEach(async () => Promise.all(open.splice(0).map(async (each) => each.close())));

function start(restarts: string[] = [], loadTimeoutMs = 20_000, by = entry): Supervisor {
  const observer = {
    respawned: (reason: string) => void restarts.push(reason),
    respawnFailed: (reason: string) => void restarts.push(reason),
    moved: ({ provider }: LoadedModel) => void restarts.push(`moved to ${provider}`),
  };
  const clock = systemClock;
  const supervisor = new Supervisor({ entry: by, threads: 1, loadTimeoutMs, clock, observer });
  open.push(supervisor);
  return supervisor;
}

async function stored(model: Uint8Array): Promise<string> {
  const path = join(folder, `${Math.random().toString(36).slice(2)}.onnx`);
  await writeFile(path, model);
  return path;
}

const floats = (name: string, shape: number[], ...values: number[]): Tensor => ({
  name,
  datatype: "FP32",
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
});
const row = floats("input", [1, 4], 5.1, 3.5, 1.4, 0.2);
const trips = (count: bigint): Tensor => ({
  name: "trips",
  datatype: "INT64",
  shape: [1],
  data: new Uint8Array(BigInt64Array.of(count).buffer),
});
const becomesReady = async (supervisor: Supervisor): Promise<void> =>
  new Promise((resolve) => supervisor.onReady(resolve));

describe("the executor", () => {
  it("tells the signature, and runs", async () => {
    const supervisor = start();
    const { signature, batchable, notes } = await supervisor.load(iris);
    assert.deepEqual(signature.inputs, [
      { name: "input", datatype: "FP32", shape: [-1, 4], dimensionNames: ["batch", ""] },
    ]);
    assert.equal(batchable, true);
    assert.deepEqual(notes, []);
    const outcome = await supervisor.run([row], ["label"]);
    assert(outcome.kind === "done");
    assert.deepEqual(outcome.outputs[0]?.shape, [1]);
  });

  for (const type of Object.keys(dataType) as DataType[]) {
    it(`carries ${type} there and back`, async () => {
      const supervisor = start();
      const { signature } = await supervisor.load(await stored(identityModel(type)));
      const datatype = signature.inputs[0]?.datatype ?? assert.fail();
      const { onnx, kind, bytes } = datatypes[datatype];
      assert.equal(datatypeOf(onnx), datatype);
      const data =
        kind === "string"
          ? packStrings(["a", "é", "", "😀"])
          : Uint8Array.from({ length: 4 * bytes }, (_, index) =>
              kind === "bool" ? index % 2 : index,
            );
      const x: Tensor = { name: "x", datatype, shape: [2, 2], data };
      const outcome = await supervisor.run([x], ["y"]);
      assert(outcome.kind === "done");
      const [y] = outcome.outputs;
      assert.deepEqual({ ...y, data: [...(y?.data ?? [])] }, { ...x, name: "y", data: [...data] });
    });
  }

  it("is replaced when a run never ends, and runs again", async () => {
    const restarts: string[] = [];
    const supervisor = start(restarts);
    const { batchable } = await supervisor.load(await stored(countingModel()));
    assert.equal(batchable, false, "a fixed dimension is no batch");
    const endless = supervisor.run([trips(2n ** 62n)], ["count"]);
    const ready = becomesReady(supervisor);
    supervisor.replace();
    assert.deepEqual(await endless, { kind: "died" });
    await ready;
    assert.equal((await supervisor.run([trips(3n)], ["count"])).kind, "done");
    assert.deepEqual(restarts, ["the executor process was ended by SIGKILL"]);
  });

  it("says so when it comes back on another execution provider", async () => {
    // No machine of the tests has a GPU that could go: a process that only says where it loaded.
    const script = join(folder, "moving.ts");
    const wire = new URL("blocking-wire.ts", import.meta.url).href;
    const mark = join(folder, "was-started");
    await writeFile(
      script,
      `import { existsSync, writeFileSync } from "node:fs";
      import { BlockingWire } from ${JSON.stringify(wire)};
      const mark = ${JSON.stringify(mark)};
      const provider = existsSync(mark) ? "cpu" : "cuda";
      writeFileSync(mark, "");
      const wire = new BlockingWire(3);
      for (let frame = wire.read(); frame !== undefined; frame = wire.read()) {
        const { id } = frame.message;
        const signature = { inputs: [], outputs: [] };
        const model = { signature, batchable: false, provider, loadMs: 1, notes: [] };
        wire.write({ message: { type: "loaded", id, model }, tensors: [] });
      }`,
    );
    const restarts: string[] = [];
    const supervisor = start(restarts, 20_000, { command: process.execPath, args: [script] });
    assert.equal((await supervisor.load(iris)).provider, "cuda");
    for (const expected of [["moved to cpu"], []]) {
      restarts.length = 0;
      const ready = becomesReady(supervisor);
      supervisor.replace();
      await ready;
      assert.deepEqual(restarts, ["the executor process was ended by SIGKILL", ...expected]);
    }
  });

  it("comes back after a crash in the middle of a run, and after one at rest", async () => {
    const supervisor = start();
    await supervisor.load(await stored(countingModel()));
    for (const atRest of [false, true]) {
      const run = atRest ? undefined : supervisor.run([trips(2n ** 62n)], ["count"]);
      const ready = becomesReady(supervisor);
      process.kill(supervisor.pid ?? assert.fail(), "SIGSEGV");
      assert.deepEqual(await run, atRest ? undefined : { kind: "died" });
      await ready;
      assert.equal((await supervisor.run([trips(1n)], ["count"])).kind, "done");
    }
  });

  it("goes on waiting through signals that are meant for its parent", async () => {
    const restarts: string[] = [];
    const supervisor = start(restarts);
    await supervisor.load(iris);
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      process.kill(supervisor.pid ?? assert.fail(), signal);
      assert.equal((await supervisor.run([row], ["label"])).kind, "done");
    }
    assert.deepEqual(restarts, []);
  });

  it("refuses an input, and goes on", async () => {
    const supervisor = start();
    const { batchable } = await supervisor.load(await stored(lookupModel()));
    assert.equal(batchable, true);
    const id = (value: bigint): Tensor => ({ ...trips(value), name: "ids", shape: [1, 1] });
    const outcome = await supervisor.run([id(9n)], ["values"]);
    assert(outcome.kind === "refused");
    assert.match(outcome.reason, /out of data bounds/);
    assert.equal((await supervisor.run([id(3n)], ["values"])).kind, "done");
  });

  const broken: { why: string; bytes: string; says: RegExp }[] = [
    { why: "nothing", bytes: "", says: /./ },
    { why: "a web page", bytes: "<!doctype html><title>404</title>", says: /protobuf|parsing/i },
    {
      why: "a pointer of git-lfs",
      bytes: "version https://git-lfs.github.com/spec/v1\n",
      says: /./,
    },
  ];
  for (const { why, bytes, says } of broken) {
    it(`says why it can't load ${why}`, async () => {
      const failure = start().load(await stored(Buffer.from(bytes)));
      await assert.rejects(
        failure,
        (error: unknown) => error instanceof LoadFailed && says.test(error.message),
      );
    });
  }

  it("serves a model whose trial run never ends, untried", async () => {
    const supervisor = start([], 8000);
    const { notes } = await supervisor.load(await stored(endlessModel()));
    assert.deepEqual(notes, ["the model was not tried before serving"]);
    assert.equal(supervisor.loaded, true);
  });

  it("leaves outputs out that are no tensors, and serves the others", async () => {
    const supervisor = start();
    const { signature, notes } = await supervisor.load(await stored(sequenceModel()));
    assert.deepEqual(
      signature.outputs.map(({ name }) => name),
      ["y"],
    );
    assert.deepEqual(notes, ["output list is no tensor and is left out"]);
    assert.equal((await supervisor.run([floats("x", [1, 2], 1, 2)], ["y"])).kind, "done");
  });

  for (const dimension of ["batch", ""]) {
    it(`doesn't believe in a batch named ${JSON.stringify(dimension)} that isn't one`, async () => {
      const { batchable } = await start().load(await stored(falseBatchModel(dimension)));
      assert.equal(batchable, false);
    });
  }

  it("joins sequences of different lengths where a mask keeps padding out, and nowhere else", async () => {
    const shape = { words: 50, positions: 64, width: 16, inner: 32, heads: 2, layers: 2 };
    const masked = await start().load(await stored(toBytes(distilbertModel(shape))));
    assert.deepEqual([masked.batchable, masked.padding], [true, true]);
    const maskless = await start().load(await stored(masklessModel()));
    assert.deepEqual([maskless.batchable, maskless.padding], [true, false]);
  });

  it("believes in a nameless batch that proves to be one", async () => {
    const { batchable } = await start().load(await stored(identityModel("FLOAT", ["", 2])));
    assert.equal(batchable, true);
  });
});

describe("back-off", () => {
  it("is none at first, doubles, and ends at ten seconds", () => {
    assert.deepEqual([1, 2, 3, 4, 20].map(backoffMs), [0, 100, 200, 400, 10_000]);
  });
});
