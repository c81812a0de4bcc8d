/** What was seen of a contestant, and its figures. */
import { joined, percentile } from "./stats.ts";

/** What one stretch of load showed. */
export type Sample = {
  /** Of the answers, in milliseconds. */
  readonly latencies: Float64Array;
  readonly failures: number;
  /** From the first request to the last answer. */
  readonly elapsedMs: number;
  /** CPU time of the server meanwhile. */
  readonly cpuMs: number;
  /** Of health's answers under such a load, in milliseconds; none where it wasn't asked for. */
  readonly probes?: Float64Array;
};

export type Measured = {
  readonly perSecond: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly requests: number;
  readonly failures: number;
  /** CPU time of the server per request, in microseconds. */
  readonly cpuUs: number;
  /** Of the health answers, if probed. */
  readonly probeP99?: number;
  readonly probeMaxMs?: number;
};

/** The figures of stretches that count as one. */
export function measuredOf(samples: readonly Sample[]): Measured {
  const latencies = joined(samples.map((sample) => sample.latencies)).sort();
  const sum = (pick: (sample: Sample) => number): number =>
    samples.reduce((total, sample) => total + pick(sample), 0);
  const measured = {
    perSecond: (1000 * latencies.length) / sum(({ elapsedMs }) => elapsedMs),
    p50: percentile(latencies, 50),
    p95: percentile(latencies, 95),
    p99: percentile(latencies, 99),
    requests: latencies.length,
    failures: sum(({ failures }) => failures),
    cpuUs: (1000 * sum(({ cpuMs }) => cpuMs)) / latencies.length,
  };
  const probes = joined(samples.flatMap((sample) => sample.probes ?? [])).sort();
  if (probes.length === 0) return measured;
  return { ...measured, probeP99: percentile(probes, 99), probeMaxMs: probes.at(-1) ?? Number.NaN };
}
