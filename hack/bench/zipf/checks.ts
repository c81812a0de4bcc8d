/** What a repository of many models promises, over the rounds of one run. */
import type { Check } from "../predictor/checks.ts";
import { summarize } from "../predictor/stats.ts";
import type { Round } from "./round.ts";

/** How much the last quarter's peak may lie above the second's: more would be a leak. */
const growthMax = 1.05;

/** A line per promise; each holds in every round, not in the median. */
export function checksOf(rounds: readonly Round[], budgetMib: number): Check[] {
  const promise = (
    what: string,
    pick: (round: Round) => number,
    { most, unit }: { readonly most: number; readonly unit: string },
  ): Check => {
    const measured = summarize(rounds.map(pick));
    return { what, measured, unit, target: `at most ${most}`, met: measured.max <= most };
  };
  return [
    promise("requests that failed or were answered wrongly", ({ errors }) => errors, {
      most: 0,
      unit: "",
    }),
    promise("memory of all processes, peak", ({ peakMib }) => peakMib, {
      most: budgetMib,
      unit: "MiB",
    }),
    promise(
      "memory's peak in the last quarter to the second's",
      ({ lastQuarterMib, secondQuarterMib }) => lastQuarterMib / secondQuarterMib,
      { most: growthMax, unit: "x" },
    ),
  ];
}
