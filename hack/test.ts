/**
 * `npm test` (every tier but the cluster), `node hack/test.ts TIER…` (those tiers), `npm run
 * test:cluster`; `-g WORDS` leaves the tests whose titles match, as mocha's flag does. A tier that
 * cannot run here says why in one line and counts as one skipped, never as passed. The last line is
 * `N passed, N failed, N skipped`; the exit code is 1 when anything failed or, with CI=true, when
 * nothing ran, and 75 when another run has the checkout's cluster.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { TierRunsError } from "./cluster/tier-lock.ts";
import { inOneLine } from "./test/in-one-line.ts";
import { TIERS, type Tier } from "./test/tiers.ts";
import type { Counts } from "./test/run-tier.ts";

const DEFAULT_TIERS = ["unit", "apiserver", "chart", "interop", "image", "browser"];
const EX_USAGE = 64;
const EX_TEMPFAIL = 75;
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

async function main(names: readonly string[], grep: string | undefined): Promise<number> {
  const unknown = names.filter((name) => !(name in TIERS));
  if (unknown.length > 0) {
    const known = Object.keys(TIERS).join(", ");
    process.stderr.write(`no such test tier: ${unknown.join(", ")}; there are: ${known}\n`);
    return EX_USAGE;
  }
  // Before the first tier: who must wait is to learn it at once.
  const run = [...new Set(names)].reduce(
    (work, name) => {
      const alone = TIERS[name]?.alone;
      return alone === undefined ? work : async () => alone(work);
    },
    async () => runTiers(names, grep),
  );
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof TierRunsError)) {
      throw error;
    }
    process.stderr.write(`${error.message}\n`);
    return EX_TEMPFAIL;
  }
}

async function runTiers(names: readonly string[], grep: string | undefined): Promise<number> {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const failures: string[] = [];
  for (const name of names) {
    const counts = await runTier(name, TIERS[name], grep);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    failures.push(...counts.failures.map((failure) => inOneLine(`FAILED ${name}: ${failure}`)));
  }
  // Again at the end: whoever sees only the tail of a long log must still learn what failed.
  process.stdout.write(failures.map((failure) => `\n${failure}\n`).join(""));
  const skipped = total.skipped === 0 ? "" : `, ${total.skipped} skipped`;
  process.stdout.write(`\n${total.passed} passed, ${total.failed} failed${skipped}\n`);
  const empty = process.env["CI"] === "true" && total.passed === 0;
  return total.failed > 0 || empty ? 1 : 0;
}

async function runTier(
  name: string,
  tier: Tier | undefined,
  grep: string | undefined,
): Promise<Counts> {
  const started = performance.now();
  const hindrance = await tier?.hindrance();
  if (tier === undefined || hindrance !== undefined) {
    process.stdout.write(`\n${name}: skipped: ${hindrance}\n`);
    return { passed: 0, failed: 0, skipped: 1, failures: [] };
  }
  process.stdout.write(`\n=== ${name}\n`);
  const counts = await prepared(tier, grep);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(
    `${name}: ${counts.passed} passed, ${counts.failed} failed` +
      `${counts.skipped === 0 ? "" : `, ${counts.skipped} skipped`} in ${seconds} s\n`,
  );
  return counts;
}

/** What a tier starts can't be had: one failure, with the reason for its name. */
async function prepared(tier: Tier, grep: string | undefined): Promise<Counts> {
  try {
    await tier.prepare?.();
  } catch (error) {
    return broken(`what the tests start could not be made: ${String(error)}`);
  }
  return inChild(tier, grep);
}

/** A process per tier: what one leaves behind in its event loop cannot hold up the next. */
async function inChild(tier: Tier, grep: string | undefined): Promise<Counts> {
  const folder = await mkdtemp(join(tmpdir(), "pilotlight-test-"));
  try {
    const counts = join(folder, "counts.json");
    const main = join(import.meta.dirname, "test/run-tier.ts");
    const child = await tier.launch([main, JSON.stringify({ ...tier, grep }), counts]);
    const [code, signal] = await exitOf(child);
    if (!existsSync(counts)) {
      return broken(`the tests ended early (${signal ?? `exit code ${code}`})`);
    }
    return JSON.parse(await readFile(counts, "utf8")) as Counts;
  } catch (error) {
    return broken(`the tests could not be started: ${String(error)}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Its exit code or signal. What ends this process ends the tests first: a tier that went on without
 * it would hold no lock.
 */
async function exitOf(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  let received: NodeJS.Signals | undefined;
  const pass = (signal: NodeJS.Signals): void => {
    received = signal;
    child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, pass);
  try {
    return (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  } finally {
    for (const signal of FORWARDED) process.off(signal, pass);
    if (received !== undefined) process.kill(process.pid, received);
  }
}

/** A tier that said no counts: one failure, with the reason for its name. */
function broken(why: string): Counts {
  process.stderr.write(`${why}\n`);
  return { passed: 0, failed: 1, skipped: 0, failures: [why] };
}

/** Which tiers, and which of their tests; undefined, with a word about it, for a wrong flag. */
function parse(args: readonly string[]): { names: readonly string[]; grep?: string } | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { grep: { type: "string", short: "g" } },
    });
    return { ...values, names: positionals.length === 0 ? DEFAULT_TIERS : positionals };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return undefined;
  }
}

const asked = parse(process.argv.slice(2));
process.exitCode = asked === undefined ? EX_USAGE : await main(asked.names, asked.grep);
