import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import { ACCELERATORS, NEURON_DEVICES, TPU_TOPOLOGIES } from "./accelerators.ts";
import { parseQuantity } from "./quantity.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/accelerators.md"), "utf8");

describe("the table of accelerators", () => {
  for (const [type, row] of Object.entries(ACCELERATORS)) {
    it(`${type} stands in docs/accelerators.md as it is`, () => {
      const labels = row.productLabels.map(({ label, pattern }) =>
        pattern === undefined
          ? `\`${label}\``
          : `\`${label}\` for \`${pattern.source.slice(1, -1)}\``,
      );
      const cells = [
        `\`${type}\``,
        `\`${row.resource}\``,
        labels.join(", else "),
        row.counts?.join(", ") ?? `1 to ${row.countMax}`,
        `${row.sharedMemoryGi}Gi a device`,
        String(row.startupTimeoutSeconds),
        String(row.containerConcurrency),
      ];
      assert.ok(page.includes(`| ${cells.join(" | ")} |\n`), cells.join(" | "));
    });

    it(`${type}: any product has a label, and the largest count is possible`, () => {
      assert.equal(row.productLabels.at(-1)?.pattern, undefined);
      assert.equal(row.counts?.at(-1) ?? row.countMax, row.countMax);
    });
  }

  it("the page names the TPUs whose topology is known", () => {
    for (const product of Object.keys(TPU_TOPOLOGIES)) {
      assert.ok(page.includes(`\`${product}\``), product);
    }
  });

  it("topologies have the chips that they stand under", () => {
    for (const [product, topologies] of Object.entries(TPU_TOPOLOGIES)) {
      for (const [count, topology] of Object.entries(topologies)) {
        const chips = topology.split("x").reduce((product_, side) => product_ * Number(side), 1);
        assert.equal(chips, Number(count), `${product} ${topology}`);
        assert.ok(ACCELERATORS["google-tpu"].counts?.includes(chips), `${product} ${topology}`);
      }
    }
  });

  it("no instance has more devices than the table allows", () => {
    assert.equal(Math.max(...Object.values(NEURON_DEVICES)), ACCELERATORS["aws-neuron"].countMax);
  });
});

describe("parseQuantity", () => {
  const rows = [
    { text: "500m", value: 0.5 },
    { text: "2Gi", value: 2 ** 31 },
    { text: 3, value: 3 },
    { text: "1e3", value: 1000 },
    { text: "1.5", value: 1.5 },
    { text: "4k", value: 4000 },
    { text: ".5Ki", value: 512 },
    { text: "2E", value: 2e18 },
    { text: "abc", value: undefined },
    { text: "1x", value: undefined },
    { text: "", value: undefined },
  ];
  for (const { text, value } of rows) {
    it(`${text} is ${value}`, () => assert.equal(parseQuantity(text), value));
  }
});
