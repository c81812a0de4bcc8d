import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { countingModel } from "../../hack/models/fixtures.ts";
import { TestPredictor } from "../testing/test-predictor.ts";
import { GiveWay } from "./give-way.ts";

const short = 0.1;
const long = 30;

describe("who gives way", () => {
  const rows = [
    { why: "a model of long runs, once", runs: Array<number>(40).fill(long), times: 1 },
    { why: "not before it is sure", runs: Array<number>(7).fill(long), times: 0 },
    { why: "not a model of short runs", runs: Array<number>(1000).fill(short), times: 0 },
    {
      why: "not for a run that took longer now and then",
      runs: Array.from({ length: 1000 }, (_, index) => (index % 8 === 0 ? short : long)),
      times: 0,
    },
  ];
  for (const { why, runs, times } of rows) {
    it(why, () => {
      const lowered: number[] = [];
      const giveWay = new GiveWay((steps) => lowered.push(steps));
      for (const ms of runs) giveWay.ran(ms);
      assert.equal(lowered.length, times);
    });
  }
});

describe("an executor whose runs are long", function () {
  let folder: string;
  let predictor: TestPredictor;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pilotlight-give-way-"));
    const path = join(folder, "counting.onnx");
    await writeFile(path, countingModel());
    const threads = { INTRA_OP_NUM_THREADS: "2" };
    predictor = await TestPredictor.serving({ STORAGE_URI: path, MODEL_NAME: "m", ...threads });
  });
  after(async () => {
    await predictor?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const run = async (trips: number): Promise<void> => {
    const inputs = [{ name: "trips", datatype: "INT64", shape: [1], data: [trips] }];
    const { status } = await predictor.post("/v2/models/m/infer", { inputs });
    assert.equal(status, 200);
  };

  it("leaves the CPU to the process that speaks HTTP, with each of its threads", async () => {
    const own = await nicenessOf(predictor.child.pid);
    for (let runs = 0; runs < 20; runs++) await run(1);
    assert.deepEqual(await nicenessOf(predictor.executorPid()), own, "short runs change nothing");
    for (let runs = 0; runs < 10; runs++) await run(400_000);
    const executors = await nicenessOf(predictor.executorPid());
    assert.deepEqual(executors, [Math.min(19, (own[0] ?? 0) + 5)]);
    assert.deepEqual(await nicenessOf(predictor.child.pid), own);
  });
});

/** The different values of nice that the threads of a process have, lowest first. */
async function nicenessOf(pid: number | undefined): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const values = await Promise.all(
    tasks.map(async (task) => {
      const stat = await readFile(`/proc/${pid}/task/${task}/stat`, "utf8");
      // The 19th field; the second one is a name in brackets.
      return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
    }),
  );
  return [...new Set(values)].toSorted((left, right) => left - right);
}
