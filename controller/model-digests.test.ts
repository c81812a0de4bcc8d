import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import { createModelDigests, type ModelDigests } from "./model-digests.ts";
import type { Pod } from "./observe/pods.ts";
import { parseDigest } from "./rollout/exposition.ts";

const ONE = `sha256:${"1".repeat(64)}`;
const TWO = `sha256:${"2".repeat(64)}`;

function page(...digests: readonly string[]): string {
  return digests
    .map((digest, at) => `pilotlight_model_info{model="m${at}",digest="${digest}"} 1\n`)
    .join("");
}

describe("parseDigest", () => {
  const rows: readonly [string, string, string | undefined][] = [
    ["the one that is told", page(ONE), ONE],
    ["the same of two models", page(ONE, ONE), ONE],
    ["nothing of a repository of many models", page(ONE, TWO), undefined],
    ["nothing of a page without one", "nv_inference_count 1\n", undefined],
    ["nothing that is no digest", page("latest"), undefined],
    ["nothing that was served before", page(ONE).replace(" 1\n", " 0\n"), undefined],
  ];
  for (const [why, text, want] of rows) {
    it(`gives ${why}`, () => assert.equal(parseDigest(text), want));
  }
});

describe("createModelDigests", () => {
  let answer: { status: number; text: string };
  let asked: number;
  let nowMs: number;
  let digests: ModelDigests;
  let woken: PromiseWithResolvers<string>;
  const answered: (() => void)[] = [];
  const server = createServer((_request, reply) => {
    asked += 1;
    reply.writeHead(answer.status).end(answer.text, () => {
      for (const resolve of answered.splice(0)) resolve();
    });
  });

  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  after(() => server.close());
  beforeEach(() => {
    [answer, asked, nowMs] = [{ status: 200, text: page(ONE) }, 0, 1000];
    woken = Promise.withResolvers();
    digests = createModelDigests({
      wake: (key) => {
        const { resolve } = woken;
        woken = Promise.withResolvers();
        resolve(key);
      },
      nowMs: () => nowMs,
    });
  });
  afterEach(() => digests.close());

  function of(pods: readonly Pod[], polled = false): [string, string][] {
    const { port } = server.address() as AddressInfo;
    return [...digests.of({ key: "default/iris", pods, port, polled })];
  }

  const questions = (): number => asked;
  const reply = (): Promise<void> => new Promise((resolve) => answered.push(resolve));

  it("does not wait, wakes the key with the answer, and asks a pod once in its life", async () => {
    const { promise } = woken;
    assert.deepEqual(of([pod("a")]), []);
    assert.deepEqual(of([pod("a")]), [], "one question at a time");
    assert.equal(await promise, "default/iris");
    assert.deepEqual(of([pod("a")]), [["a", ONE]]);
    nowMs += 3_600_000;
    assert.deepEqual(of([pod("a")]), [["a", ONE]]);
    assert.equal(asked, 1);
  });

  it("asks a container anew that has started again", async () => {
    let { promise } = woken;
    of([pod("a")]);
    await promise;
    answer = { status: 200, text: page(TWO) };
    ({ promise } = woken);
    assert.deepEqual(of([pod("a", { restarts: 1 })]), []);
    await promise;
    assert.deepEqual(of([pod("a", { restarts: 1 })]), [["a", TWO]]);
  });

  it("asks pods that poll again, and keeps what is known meanwhile", async () => {
    let { promise } = woken;
    of([pod("a")], true);
    await promise;
    answer = { status: 200, text: page(TWO) };
    nowMs += 600_000;
    ({ promise } = woken);
    assert.deepEqual(of([pod("a")], true), [["a", ONE]]);
    await promise;
    assert.deepEqual(of([pod("a")], true), [["a", TWO]]);
  });

  it("asks again, after a while, who could not answer; who is not ready is not asked", async () => {
    answer = { status: 503, text: "" };
    of([pod("b", { ready: "False" })]);
    let replied = reply();
    of([pod("a")]);
    await replied;
    assert.equal(asked, 1);
    answer = { status: 200, text: page(ONE) };
    const { promise } = woken;
    do {
      // Turn by turn: until the failure is noted, the pod counts as being asked.
      await new Promise(setImmediate);
      nowMs += 60_000;
      of([pod("a")]);
    } while (questions() < 2);
    await promise;
    assert.deepEqual(of([pod("a")]), [["a", ONE]]);
  });

  it("forgets pods that have gone, and asks no more than sixteen", async () => {
    const { promise } = woken;
    of([pod("a")]);
    await promise;
    assert.deepEqual(of([]), []);
    const many = Array.from({ length: 30 }, (_, at) => pod(`many-${at}`));
    asked = 0;
    of(many);
    while (of(many).length < 16) await new Promise(setImmediate);
    assert.equal(asked, 16);
    digests.forget("default/iris");
    assert.deepEqual(of([]), []);
  });
});

function pod(name: string, { ready = "True", restarts = 0 } = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", uid: `uid-${name}` },
    status: {
      podIP: "127.0.0.1",
      conditions: [{ type: "Ready", status: ready }],
      containerStatuses: [{ name: "predictor", restartCount: restarts }],
    },
  };
}
