/** A line in the log for each inference, when LOG_REQUESTS asks for it. */
import type { Log } from "../ops/log.ts";
import type { Watcher } from "./watch.ts";

/** Failures that are ours are warnings; the rest is information. */
export function requestLog(log: Log): Watcher {
  return ({ requestId, method, url, model, version }) => {
    const startedAt = performance.now();
    const fields: Record<string, string | number> = { model, version, method, path: url };
    return {
      received: (body) => {
        fields["requestBytes"] = body.byteLength;
      },
      ran: ({ queueMs, run }) => {
        fields["queueMs"] = round(queueMs);
        fields["runMs"] = round(run.ms);
        fields["batch"] = run.requests;
      },
      answered: ({ status, grpcStatus, fault }) => {
        const line = {
          requestId,
          status,
          ...(grpcStatus === undefined ? {} : { grpcStatus }),
          ...fields,
          durationMs: round(performance.now() - startedAt),
          ...(fault === undefined ? {} : { error: fault.message }),
        };
        if (status >= 500) log.warn(line, "request");
        else log.info(line, "request");
      },
    };
  };
}

const round = (ms: number): number => Math.round(ms * 1000) / 1000;
