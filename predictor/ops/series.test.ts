import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { CounterFamily, GaugeFamily, HistogramFamily } from "./series.ts";

const buckets = [0.001, 0.01, 0.1, 1];
const about = { name: "it", help: "What it is", labelNames: ["model", "version"] as const };

describe("series", () => {
  it("are written out as prom-client's own histograms are", async () => {
    const [own, theirs] = [new Registry(), new Registry()];
    const ours = new HistogramFamily({ ...about, buckets, registry: own });
    const labelNames = [...about.labelNames];
    const known = new Histogram({ ...about, labelNames, buckets, registers: [theirs] });
    for (const model of ["iris", 'quo"te']) {
      const of = { model, version: "1" };
      const series = ours.labels(of);
      for (const value of [0, 0.001, 0.0011, 0.05, 0.1, 0.5, 1, 1.01, 70]) {
        series.observe(value);
        known.observe(of, value);
      }
    }
    assert.deepEqual(lines(await own.metrics()), lines(await theirs.metrics()));
  });

  it("are written out as prom-client's own counters are", async () => {
    const [own, theirs] = [new Registry(), new Registry()];
    const ours = new CounterFamily({ ...about, registry: own });
    const known = new Counter({ ...about, labelNames: [...about.labelNames], registers: [theirs] });
    for (const value of [0, 1, 2.5]) {
      ours.labels({ model: "iris", version: "2" }).add(value);
      known.inc({ model: "iris", version: "2" }, value);
    }
    assert.deepEqual(lines(await own.metrics()), lines(await theirs.metrics()));
  });

  it("are written out as prom-client's own gauges are", async () => {
    const [own, theirs] = [new Registry(), new Registry()];
    const of = { model: "iris", version: "2" };
    new GaugeFamily({ ...about, registry: own }).labels(of).set(-3);
    const labelNames = [...about.labelNames];
    new Gauge({ ...about, labelNames, registers: [theirs] }).set(of, -3);
    assert.deepEqual(lines(await own.metrics()), lines(await theirs.metrics()));
  });

  it("show a series at zero as soon as it is asked for", async () => {
    const registry = new Registry();
    new CounterFamily({ ...about, registry }).labels({ model: "iris", version: "1" });
    assert.match(await registry.metrics(), /^it\{model="iris",version="1"\} 0$/m);
  });

  it("are one series for the same labels", () => {
    const family = new CounterFamily({ ...about, registry: new Registry() });
    const one = family.labels({ model: "iris", version: "1" });
    assert.equal(family.labels({ version: "1", model: "iris" }), one);
    assert.notEqual(family.labels({ model: "iris", version: "2" }), one);
  });
});

/** Every line with its labels in order: theirs comes in no particular one. */
function lines(text: string): string[] {
  return text
    .split("\n")
    .map((line) =>
      line.replace(/\{(.*)\}/, (_, labels: string) => `{${labels.split(",").toSorted().join()}}`),
    );
}
