/**
 * The values of Knative's autoscaling annotations, checked against its own ranges (knative.dev/
 * serving pkg/apis/autoscaling/register.go, annotation_validation.go), and keys that it would
 * ignore in silence.
 */
import { lookup } from "../lookup.ts";
import { parseDurationSeconds } from "./facts.ts";
import type { Refusal } from "./refusal.ts";
import type { Warning } from "./warning.ts";

export const AUTOSCALING_GROUP = "autoscaling.knative.dev";

type Strings = Readonly<Record<string, string>>;

interface Known {
  /** The spelling of before, which Knative still reads. */
  readonly alias?: string;
  /** What a value must be, for the sentence. */
  readonly range: string;
  readonly takes: (value: string) => boolean;
}

const KPA = `kpa.${AUTOSCALING_GROUP}`;
const HOUR = 3600;

function whole(least: number, most = Number.MAX_SAFE_INTEGER): (value: string) => boolean {
  return (value) => /^-?\d+$/.test(value) && Number(value) >= least && Number(value) <= most;
}

function decimal(accepts: (value: number) => boolean): (value: string) => boolean {
  return (value) => /^-?\d+(\.\d+)?$/.test(value) && accepts(Number(value));
}

function seconds(least: number, most: number): (value: string) => boolean {
  return (value) => {
    const found = parseDurationSeconds(value);
    return found !== undefined && found >= least && found <= most;
  };
}

function percent(least: number, most: number): (value: string) => boolean {
  return decimal((value) => value >= least && value <= most);
}

const COUNT = { range: "a whole number, 0 or more", takes: whole(0) };
const UP_TO_AN_HOUR = {
  range: "a time of whole seconds from 0s to 1h, e.g. 90s or 5m",
  takes: seconds(0, HOUR),
};

/** By the key's name within the group. */
const KNOWN: Readonly<Record<string, Known>> = {
  class: {
    range:
      "kpa.autoscaling.knative.dev, or a class of another domain: hpa cannot wake a service from zero",
    takes: (value) => value === KPA || !value.endsWith(`.${AUTOSCALING_GROUP}`),
  },
  metric: {
    range: "concurrency or rps: cpu and memory cannot wake a service from zero",
    takes: (value) => value === "concurrency" || value === "rps",
  },
  "min-scale": { alias: "minScale", ...COUNT },
  "max-scale": { alias: "maxScale", ...COUNT },
  "initial-scale": { alias: "initialScale", ...COUNT },
  "activation-scale": { range: "a whole number, 2 or more", takes: whole(2) },
  target: { range: "a number, 0.01 or more", takes: decimal((value) => value >= 0.01) },
  "target-utilization-percentage": {
    alias: "targetUtilizationPercentage",
    range: "a number from 1 to 100",
    takes: percent(1, 100),
  },
  "target-burst-capacity": {
    alias: "targetBurstCapacity",
    range: "a number, 0 or more, or -1 for no limit",
    takes: decimal((value) => value >= 0 || value === -1),
  },
  window: { range: "a time of whole seconds from 6s to 1h", takes: seconds(6, HOUR) },
  "panic-window-percentage": {
    alias: "panicWindowPercentage",
    range: "a number from 1 to 100",
    takes: percent(1, 100),
  },
  "panic-threshold-percentage": {
    alias: "panicThresholdPercentage",
    range: "a number from 110 to 1000",
    takes: percent(110, 1000),
  },
  "scale-down-delay": { alias: "scaleDownDelay", ...UP_TO_AN_HOUR },
  "scale-to-zero-pod-retention-period": {
    alias: "scaleToZeroPodRetentionPeriod",
    ...UP_TO_AN_HOUR,
  },
  "metric-aggregation-algorithm": {
    alias: "metricAggregationAlgorithm",
    range: "linear or weighted-exponential",
    takes: (value) => value === "linear" || value === "weighted-exponential",
  },
};

/** The autoscaling annotations of `annotations` by their new names, without the group. */
export function autoscalingValues(annotations: Strings): Strings {
  const given = Object.entries(annotations).flatMap(([key, value]) => {
    const name = nameOf(key);
    return name === undefined ? [] : [{ name, value, isAlias: !Object.hasOwn(KNOWN, name) }];
  });
  // The new spelling wins, as in Knative.
  return Object.fromEntries(
    given
      .toSorted((a, b) => Number(b.isAlias) - Number(a.isAlias))
      .map(({ name, value }) => [canonicalName(name) ?? name, value]),
  );
}

/** The first value that Knative would refuse, or that would not do what it seems to say. */
export function checkAutoscaling(annotations: Strings, at: string): Refusal | undefined {
  const values = autoscalingValues(annotations);
  for (const [name, value] of Object.entries(values)) {
    const known = lookup(KNOWN, name);
    // Another autoscaler has metrics of its own.
    const foreign = name === "metric" && (values["class"] ?? KPA) !== KPA;
    if (known !== undefined && !foreign && !known.takes(value)) {
      return invalid(
        `${at}: ${AUTOSCALING_GROUP}/${name} is "${value}", but must be ${known.range}`,
      );
    }
  }
  const [least, most, woken] = ["min-scale", "max-scale", "activation-scale"].map((name) =>
    values[name] === undefined ? undefined : Number(values[name]),
  );
  if (most !== undefined && most > 0 && (least ?? 0) > most) {
    return invalid(
      `${at}: ${AUTOSCALING_GROUP}/min-scale is ${least}, but must not be greater than max-scale ${most}`,
    );
  }
  if (
    woken !== undefined &&
    (woken < (least ?? 0) || (most !== undefined && most > 0 && woken > most))
  ) {
    return invalid(
      `${at}: ${AUTOSCALING_GROUP}/activation-scale is ${woken}, but must lie between min-scale and max-scale`,
    );
  }
  return undefined;
}

/** Keys of the group that Knative does not know, and therefore ignores. */
export function unknownAutoscaling(annotations: Strings, at: string): readonly Warning[] {
  return Object.keys(annotations).flatMap((key) => {
    const name = nameOf(key);
    if (name === undefined || canonicalName(name) !== undefined) {
      return [];
    }
    const meant = Object.keys(KNOWN).find((known) => letters(known) === letters(name));
    const hint = meant === undefined ? "remove it" : `did you mean ${AUTOSCALING_GROUP}/${meant}?`;
    return [
      {
        reason: "UnknownAutoscalingAnnotation",
        message: `${at}: Knative does not know the annotation ${key} and ignores it; ${hint}`,
      },
    ];
  });
}

function nameOf(key: string): string | undefined {
  return key.startsWith(`${AUTOSCALING_GROUP}/`)
    ? key.slice(AUTOSCALING_GROUP.length + 1)
    : undefined;
}

function canonicalName(name: string): string | undefined {
  return Object.hasOwn(KNOWN, name)
    ? name
    : Object.entries(KNOWN).find(([, { alias }]) => alias === name)?.[0];
}

function letters(name: string): string {
  return name.toLowerCase().replace(/[^a-z]/g, "");
}

function invalid(message: string): Refusal {
  return { reason: "InvalidAutoscaling", message };
}
