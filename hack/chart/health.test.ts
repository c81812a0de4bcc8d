/** examples/argocd's health.lua, run in a Lua VM: the words that Argo CD shows. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import { parse } from "yaml";
import { CUSTOMIZATION, ROOT } from "./generate.ts";
import { subjectOf, type Word } from "./health-data.ts";
import { luaHealth, type Health } from "./lua-health.ts";

const folder = join(ROOT, CUSTOMIZATION);
const golden = join(ROOT, "test/golden");
const script = readFileSync(join(folder, "health.lua"), "utf8");

/** What people should see for each status that the controller's golden cases write. */
const WORDS: Readonly<Record<string, Word>> = {
  "canary-absent": "Healthy",
  "canary-consecutive": "Healthy",
  "canary-consecutive-starting": "Healthy",
  "canary-crashes": "Degraded",
  "canary-hundred": "Healthy",
  "canary-new-revision": "Healthy",
  "canary-promoted": "Healthy",
  "canary-raised": "Healthy",
  "canary-serves": "Healthy",
  "canary-stable-by-hand": "Healthy",
  "canary-status-lost": "Healthy",
  "canary-status-lost-plain": "Healthy",
  "canary-undone": "Healthy",
  "canary-undone-gone": "Healthy",
  "canary-zero": "Healthy",
  "history-appears": "Healthy",
  "history-bounded": "Healthy",
  "history-by-hand": "Healthy",
  "history-digest": "Healthy",
  "history-digest-after-stop": "Healthy",
  "history-digest-differs": "Healthy",
  "history-digest-fetched": "Healthy",
  "history-digest-polled": "Healthy",
  "history-digest-replaced": "Healthy",
  "history-failed": "Degraded",
  "history-not-newest-yet": "Healthy",
  "history-promoted": "Healthy",
  "history-resumed": "Healthy",
  "history-rolled-back": "Degraded",
  "history-stopped": "Suspended",
  "recreate-done": "Healthy",
  "recreate-fails": "Degraded",
  "recreate-on-trial": "Degraded",
  "rollout-crashes": "Degraded",
  "rollout-done": "Healthy",
  "rollout-errors": "Degraded",
  "rollout-no-gate": "Healthy",
  "rollout-paused": "Healthy",
  "rollout-promotes": "Healthy",
  "rollout-rolled-back": "Degraded",
  "rollout-slow": "Degraded",
  "status-access-denied": "Degraded",
  "status-crash-loop": "Degraded",
  "status-first-touch": "Progressing",
  "status-image-pull": "Degraded",
  "status-image-pull-again": "Degraded",
  "status-image-pull-cause": "Degraded",
  "status-init-download-failed": "Degraded",
  "status-ingress-missing": "Progressing",
  "status-out-of-date": "Progressing",
  "status-knative-verdict": "Degraded",
  "status-model-broken": "Degraded",
  "status-model-not-found": "Degraded",
  "status-new-revision-fails": "Degraded",
  "status-oom": "Degraded",
  "status-refused-while-serving": "Degraded",
  "status-scaled-to-zero": "Healthy",
  "status-serving": "Healthy",
  "status-cold-start": "Healthy",
  "status-scaled-up": "Healthy",
  "status-init-container-fails": "Degraded",
  "status-worst-pod": "Degraded",
  "status-transformer-not-ready": "Degraded",
  "status-stopped": "Suspended",
  "runtime-stopped": "Suspended",
  "runtime-stopped-gone": "Suspended",
  "stop-own-annotation": "Suspended",
  "stop-wins-over-refusal": "Suspended",
  "status-storage-down": "Progressing",
  "status-terminating-pod": "Healthy",
  "status-no-node-offers": "Progressing",
  "status-nodes-changed": "Progressing",
  "status-scheduler-counts": "Progressing",
  "status-trouble-goes-on": "Degraded",
  "status-trouble-of-another-change": "Degraded",
  "status-unschedulable": "Progressing",
};

interface HealthTests {
  readonly tests: readonly { readonly healthStatus: Health; readonly inputPath: string }[];
}

describe("health.lua", () => {
  const { tests } = parse(readFileSync(join(folder, "health_test.yaml"), "utf8")) as HealthTests;
  for (const { healthStatus, inputPath } of tests) {
    it(`${inputPath}: ${healthStatus.status}`, () => {
      const subject: unknown = parse(readFileSync(join(folder, inputPath), "utf8"));
      assert.deepEqual(luaHealth(script, subject), healthStatus);
    });
  }

  for (const name of readdirSync(golden).toSorted()) {
    const text = (file: string): string => readFileSync(join(golden, name, file), "utf8");
    const texts = { given: text("given.yaml"), want: text("want.yaml") };
    const refused = (parse(texts.want) as { refusal?: object }).refusal !== undefined;
    const word = WORDS[name] ?? (refused ? "Degraded" : "Progressing");
    it(`says ${word} of the golden case ${name}`, () => {
      assert.ok(!name.startsWith("status-") || name in WORDS, `WORDS has no row for ${name}`);
      const found = luaHealth(script, subjectOf(texts));
      assert.equal(found.status, word);
      assert.notEqual(found.message, "");
    });
  }

  for (const { ready, transition, word, why } of [
    { ready: "False", transition: "BlockedByFailedLoad", word: "Degraded", why: "load failed" },
    { ready: "False", transition: "InvalidSpec", word: "Degraded", why: "refused" },
    { ready: "False", transition: "UpToDate", word: "Degraded", why: "nothing is under way" },
    { ready: "Unknown", transition: "UpToDate", word: "Progressing", why: "not known yet" },
    { ready: "True", transition: "UpToDate", word: "Healthy", why: "serves" },
    { ready: undefined, transition: "UpToDate", word: "Progressing", why: "nothing is said" },
  ]) {
    it(`says ${word} of Ready=${ready} without Reconciling and Stalled: ${why}`, () => {
      const conditions = ready === undefined ? [] : [{ type: "Ready", status: ready }];
      const status = {
        observedGeneration: 1,
        conditions,
        modelStatus: { transitionStatus: transition },
      };
      assert.equal(luaHealth(script, { metadata: { generation: 1 }, status }).status, word);
    });
  }

  it("lets a failed load be seen while Knative still tries", () => {
    const status = {
      observedGeneration: 1,
      conditions: [
        { type: "Ready", status: "False", message: "no model" },
        { type: "Reconciling", status: "True", message: "tries" },
      ],
      modelStatus: { transitionStatus: "BlockedByFailedLoad" },
    };
    const found = luaHealth(script, { metadata: { generation: 1 }, status });
    assert.deepEqual(found, { status: "Degraded", message: "no model" });
  });
});

describe("luaHealth", () => {
  it("gives strings through unchanged", () => {
    const message = 'a "quoted" \\ line\nwith ünïcode';
    const echo = "return { status = 'x', message = obj.text }";
    assert.deepEqual(luaHealth(echo, { text: message }), { status: "x", message });
  });

  it("has no more libraries than Argo CD gives", () => {
    const look = "return { status = tostring(string), message = tostring(io or os) }";
    assert.deepEqual(luaHealth(look, {}), { status: "nil", message: "nil" });
  });

  it("throws Lua's own words", () => {
    assert.throws(() => luaHealth("return", {}), /attempt to index a nil value/);
    assert.throws(() => luaHealth("return (", {}), /unexpected symbol/);
  });
});
