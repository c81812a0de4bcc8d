import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { describe, it } from "mocha";
import { cpuShare, quotaCpus, usableCpus } from "./cpus.ts";

const v2 = "/sys/fs/cgroup/cpu.max";
const quota1 = "/sys/fs/cgroup/cpu/cpu.cfs_quota_us";
const period1 = "/sys/fs/cgroup/cpu/cpu.cfs_period_us";

describe("CPUs of the cgroup", () => {
  const rows: { why: string; files: Record<string, string>; cpus: number | undefined }[] = [
    { why: "version 2, two", files: { [v2]: "200000 100000\n" }, cpus: 2 },
    { why: "version 2, a half is one", files: { [v2]: "50000 100000\n" }, cpus: 1 },
    { why: "version 2, one and a half are two", files: { [v2]: "150000 100000\n" }, cpus: 2 },
    { why: "version 2, no quota", files: { [v2]: "max 100000\n" }, cpus: undefined },
    { why: "version 1, three", files: { [quota1]: "300000\n", [period1]: "100000\n" }, cpus: 3 },
    {
      why: "version 1, no quota",
      files: { [quota1]: "-1\n", [period1]: "100000\n" },
      cpus: undefined,
    },
    { why: "no cgroup files", files: {}, cpus: undefined },
    { why: "nonsense", files: { [v2]: "x y" }, cpus: undefined },
  ];
  for (const { why, files, cpus } of rows) {
    it(why, () =>
      assert.equal(
        quotaCpus((path) => files[path]),
        cpus,
      ),
    );
  }
  it("never exceed those of the machine", () => {
    assert.equal(
      usableCpus(() => "100000000 100000"),
      availableParallelism(),
    );
    assert.equal(
      usableCpus((path) => (path === v2 ? "100000 100000" : undefined)),
      1,
    );
  });
});

describe("the CPUs' share of an executor", () => {
  const rows = [
    { why: "all of them for one", cpus: 4, wanted: { executors: 1 }, is: [4, true] },
    { why: "equal ones", cpus: 5, wanted: { executors: 2 }, is: [2, true] },
    { why: "one at least", cpus: 2, wanted: { executors: 8 }, is: [1, false] },
    { why: "what was asked for", cpus: 4, wanted: { executors: 2, threads: 1 }, is: [1, false] },
    {
      why: "polling if asked for",
      cpus: 2,
      wanted: { executors: 2, spinning: true },
      is: [1, true],
    },
    {
      why: "no polling if asked for",
      cpus: 4,
      wanted: { executors: 1, threads: 2, spinning: false },
      is: [2, false],
    },
  ];
  for (const { why, cpus, wanted, is } of rows) {
    it(why, () => {
      const { threads, spinning } = cpuShare(cpus, wanted);
      assert.deepEqual([threads, spinning], is);
    });
  }
});
