/** What the predictor promises, as ratios to baselines of the same run. */
import type { Footprint } from "./footprint.ts";
import { between, over } from "./rounds.ts";
import type { Cell } from "./rounds.ts";
import { shown, summarize } from "./stats.ts";
import type { Summary } from "./stats.ts";

export type Check = {
  readonly what: string;
  readonly measured: Summary;
  readonly unit: string;
  readonly target: string;
  /** Of the median. */
  readonly met: boolean;
};

type Find = (model: string, contestant: string, connections: number) => Cell | undefined;

/** The checks for which this run has the cells. */
export function checksOf(cells: readonly Cell[]): Check[] {
  const find: Find = (model, contestant, connections) =>
    cells.find(
      (cell) =>
        cell.model === model &&
        cell.contestant.startsWith(contestant) &&
        cell.connections === connections,
    );
  return [...irisChecks(find), ...rawChecks(find), ...healthChecks(cells, find)];
}

/** What it takes with iris, in megabytes. */
export function footprintChecks({ restPssMb, imageMb }: Footprint): Check[] {
  const check = (what: string, megabytes: number, most: number): Check => ({
    ...atMost(what, summarize([megabytes]), most),
    unit: "MB",
  });
  return [
    check("iris at rest: memory of both processes, proportional", restPssMb, 150),
    ...(imageMb === undefined ? [] : [check("the image, unpacked", imageMb, 200)]),
  ];
}

const atLeast = (what: string, measured: Summary, least: number): Check => ({
  what,
  measured,
  unit: "x",
  target: `at least ${least}`,
  met: measured.median >= least,
});
const atMost = (what: string, measured: Summary, most: number): Check => ({
  what,
  measured,
  unit: "ms",
  target: `at most ${most}`,
  met: measured.median <= most,
});

function irisChecks(find: Find): Check[] {
  const checks: Check[] = [];
  const [lone, busy] = [find("iris", "ours", 1), find("iris", "ours", 32)];
  const peers = ["mlserver", "kserve", "bentoml"].flatMap((name) => find("iris", name, 32) ?? []);
  const best = peers.toSorted((a, b) => over(b, rate).median - over(a, rate).median)[0];
  if (busy !== undefined && best !== undefined) {
    const what = `iris, 32 connections: requests/s to the best other server's (${best.contestant})`;
    checks.push(atLeast(what, between(busy, best, ratio), 10));
  }
  const naive = find("iris", "naive", 32);
  if (busy !== undefined && naive !== undefined) {
    const what = "iris, 32 connections: requests/s to the naive server's";
    checks.push(atLeast(what, between(busy, naive, ratio), 1.3));
  }
  const lonely = find("iris", "naive", 1);
  if (lone !== undefined && lonely !== undefined) {
    const what = "iris, 1 connection: P50 above the naive server's";
    checks.push(
      atMost(
        what,
        between(lone, lonely, (a, b) => a.p50 - b.p50),
        0.05,
      ),
    );
  }
  return checks;
}

function rawChecks(find: Find): Check[] {
  const checks: Check[] = [];
  for (const [model, least] of [
    ["distilbert", 0.97],
    ["resnet", 0.9],
    ["squeezenet", 0.9],
  ] as const) {
    for (const connections of [1, 8]) {
      const [own, raw] = [find(model, "ours", connections), find(model, "raw", connections)];
      if (own === undefined || raw === undefined) continue;
      const where = `${model}, ${connections} connection${connections > 1 ? "s" : ""}`;
      checks.push(
        atLeast(`${where}: runs/s to raw onnxruntime's`, between(own, raw, ratio), least),
      );
      if (model !== "distilbert") continue;
      const late = between(own, raw, (a, b) => a.p99 - b.p99);
      checks.push(atMost(`${where}: P99 above raw onnxruntime's`, late, 5));
    }
  }
  return checks;
}

/** Each with what a server that only reads the requests has beside onnxruntime alone. */
function healthChecks(cells: readonly Cell[], find: Find): Check[] {
  const p99 = (cell: Cell): Summary => over(cell, (each) => each.probeP99 ?? Number.NaN);
  return cells
    .filter(({ model, contestant }) => contestant === "ours" && model !== "iris")
    .map((cell) => {
      const { model, connections } = cell;
      const raw = find(model, "raw", connections);
      const floor = raw === undefined ? "" : ` (a bare server's beside raw: ${shown(p99(raw))})`;
      const what = `${model}, ${connections} connections: health P99 meanwhile${floor}`;
      return atMost(what, p99(cell), 10);
    });
}

const rate = ({ perSecond }: { perSecond: number }): number => perSecond;
const ratio = (one: { perSecond: number }, other: { perSecond: number }): number =>
  one.perSecond / other.perSecond;
