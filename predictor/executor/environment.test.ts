import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "mocha";
import { irisPath, TestPredictor } from "../testing/test-predictor.ts";
import { executorEnvironment } from "./environment.ts";

const ours = "glibc.malloc.hugetlb=1";

describe("the environment of an executor", () => {
  const rows = [
    { why: "asks for huge pages", given: undefined, is: ours },
    { why: "asks for them where nothing is said", given: "", is: ours },
    { why: "keeps others", given: "glibc.malloc.check=3", is: `glibc.malloc.check=3:${ours}` },
    { why: "keeps the user's", given: "glibc.malloc.hugetlb=0", is: "glibc.malloc.hugetlb=0" },
  ];
  for (const { why, given, is } of rows) {
    it(why, () => {
      const { GLIBC_TUNABLES: found } = executorEnvironment({ GLIBC_TUNABLES: given });
      assert.equal(found, is);
    });
  }

  it("is what it inherits besides, without what is not set", () => {
    const found = executorEnvironment({ PATH: "/bin", HOME: undefined });
    assert.deepEqual(found, { PATH: "/bin", GLIBC_TUNABLES: ours });
  });

  it("is the executor's, and not that of the process that speaks HTTP", async () => {
    await using predictor = await TestPredictor.serving({
      STORAGE_URI: irisPath,
      MODEL_NAME: "iris",
    });
    const of = (pid: number | undefined): string[] =>
      readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    assert.ok(of(predictor.executorPid()).includes(`GLIBC_TUNABLES=${ours}`));
    assert.ok(!of(predictor.child.pid).some((each) => each.startsWith("GLIBC_TUNABLES")));
  });
});
