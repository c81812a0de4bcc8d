/** Runs the tests of one tier in this process and writes into a file how many there were. */
import { globSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Mocha from "mocha";
import type { Tier } from "./tiers.ts";

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** For each failed test, its full title and its error. */
  readonly failures: readonly string[];
}

const root = join(import.meta.dirname, "../..");
/** Something keeps the loop alive: a leak to mend, not to hang on. */
const LINGER_MS = 10_000;

/** What of a tier reaches this process; `grep` picks tests by their titles. */
type Asked = Pick<Tier, "specs" | "timeoutMs"> & { readonly grep?: string };

async function run({ specs, timeoutMs, grep }: Asked, countsPath: string): Promise<void> {
  const mocha = new Mocha({
    timeout: timeoutMs,
    forbidOnly: true,
    reporter: "spec",
    ...(grep === undefined ? {} : { grep }),
  });
  for (const file of specs.flatMap((spec) => globSync(spec, { cwd: root })).toSorted()) {
    mocha.addFile(join(root, file));
  }
  await mocha.loadFilesAsync();
  const failed: string[] = [];
  const runner = mocha.run((failures) => {
    const { passes = 0, pending = 0 } = runner.stats ?? {};
    const counts: Counts = {
      passed: passes,
      failed: failures,
      skipped: pending,
      failures: failed,
    };
    writeFileSync(countsPath, JSON.stringify(counts));
    process.exitCode = failures === 0 ? 0 : 1;
    setTimeout(() => {
      const kinds = [...new Set(process.getActiveResourcesInfo())].join(", ");
      process.stderr.write(`the tests left something open: ${kinds}\n`);
      process.exit();
    }, LINGER_MS).unref();
  });
  runner.on("fail", (test, error: Error) => {
    failed.push(`${test.fullTitle()}: ${error.message}`);
  });
}

const [tier = "{}", countsPath = ""] = process.argv.slice(2);
await run(JSON.parse(tier) as Asked, countsPath);
