/**
 * Counters, gauges and histograms whose series are looked up once: prom-client's own hash their
 * labels again with each observation, which was a tenth of what a request to a tiny model cost.
 * prom-client still writes them out: to its registry they are metrics like its own.
 */
import type { Metric, Registry } from "prom-client";

type Labels<L extends string> = Readonly<Record<L, string>>;
/** A line of the exposition, as prom-client's registry reads it. */
type Sample = { labels: Record<string, string | number>; value: number; metricName: string };

export type SeriesOptions<L extends string> = {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly L[];
  readonly registry: Registry;
};

/** One family of series: one series per combination of labels, made when it's first asked for. */
class Family<L extends string, S> {
  readonly #series = new Map<string, { labels: Labels<L>; series: S }>();
  readonly #labelNames: readonly L[];
  readonly #make: () => S;

  constructor(
    type: "counter" | "gauge" | "histogram",
    { name, help, labelNames, registry }: SeriesOptions<L>,
    parts: { make: () => S; samples: (name: string, series: S) => Sample[] },
  ) {
    this.#labelNames = labelNames;
    this.#make = parts.make;
    const get = (): object => {
      const values = [...this.#series.values()].flatMap(({ labels, series }) =>
        parts
          .samples(name, series)
          .map((sample) => ({ ...sample, labels: { ...sample.labels, ...labels } })),
      );
      return { name, help, type, aggregator: "sum", values };
    };
    // What its registry asks of a metric; the declared type lists all that its own classes have.
    registry.registerMetric({ name, get } as unknown as Metric);
  }

  /** The series of these labels, at zero when it's new. */
  labels(labels: Labels<L>): S {
    const key = JSON.stringify(this.#labelNames.map((name) => labels[name]));
    let known = this.#series.get(key);
    if (known === undefined) this.#series.set(key, (known = { labels, series: this.#make() }));
    return known.series;
  }
}

export class CounterSeries {
  total = 0;

  add(value: number): void {
    this.total += value;
  }
}

/** A counter. */
export class CounterFamily<L extends string> extends Family<L, CounterSeries> {
  constructor(options: SeriesOptions<L>) {
    super("counter", options, {
      make: () => new CounterSeries(),
      samples: (metricName, { total }) => [{ labels: {}, value: total, metricName }],
    });
  }
}

export class GaugeSeries {
  value = 0;

  set(value: number): void {
    this.value = value;
  }
}

/** A gauge. */
export class GaugeFamily<L extends string> extends Family<L, GaugeSeries> {
  constructor(options: SeriesOptions<L>) {
    super("gauge", options, {
      make: () => new GaugeSeries(),
      samples: (metricName, { value }) => [{ labels: {}, value, metricName }],
    });
  }
}

export class HistogramSeries {
  readonly bounds: readonly number[];
  /** Observations up to each bound and above the one before it; the last is without a bound. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    const { bounds, counts } = this;
    let [low, high] = [0, bounds.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (value <= (bounds[middle] ?? Number.POSITIVE_INFINITY)) high = middle;
      else low = middle + 1;
    }
    counts[low] = (counts[low] ?? 0) + 1;
    this.sum += value;
  }
}

/** A histogram with buckets up to each of `buckets`, ascending, and one above them. */
export class HistogramFamily<L extends string> extends Family<L, HistogramSeries> {
  constructor(options: SeriesOptions<L> & { readonly buckets: readonly number[] }) {
    super("histogram", options, {
      make: () => new HistogramSeries(options.buckets),
      samples: samplesOf,
    });
  }
}

function samplesOf(name: string, { bounds, counts, sum }: HistogramSeries): Sample[] {
  let count = 0;
  const buckets = counts.map((each, index): Sample => {
    count += each;
    return {
      labels: { le: bounds[index] ?? "+Inf" },
      value: count,
      metricName: `${name}_bucket`,
    };
  });
  return [
    ...buckets,
    { labels: {}, value: sum, metricName: `${name}_sum` },
    { labels: {}, value: count, metricName: `${name}_count` },
  ];
}
