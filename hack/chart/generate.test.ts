import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "mocha";
import { CHART, CUSTOMIZATION, ROOT, chartFiles } from "./generate.ts";

describe("generated files of the chart and of examples/argocd", () => {
  it("are what their sources say: npm run generate writes them", async () => {
    const stale: string[] = [];
    for (const [path, text] of await chartFiles()) {
      const found = await readFile(join(ROOT, path), "utf8").catch(() => undefined);
      if (found !== text) {
        stale.push(path);
      }
    }
    assert.deepEqual(stale, []);
  });

  it("are all that lies in their folders", async () => {
    const paths = new Set((await chartFiles()).keys());
    for (const folder of [`${CHART}/templates/crds`, `${CUSTOMIZATION}/testdata`]) {
      const names = await readdir(join(ROOT, folder));
      assert.deepEqual(
        names.filter((name) => !paths.has(`${folder}/${name}`)),
        [],
      );
    }
  });
});
