import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { InferenceService } from "./api/inferenceservice.gen.ts";
import { reportEvent } from "./status-metrics.ts";

function isvc(status?: "True" | "False" | "Unknown", since?: string): InferenceService {
  return {
    apiVersion: "pilotlight.dev/v1beta1",
    kind: "InferenceService",
    metadata: { name: "a", namespace: "n", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { predictor: {} },
    ...(status === undefined
      ? {}
      : {
          status: {
            conditions: [
              {
                type: "Ready",
                status,
                ...(since === undefined ? {} : { lastTransitionTime: since }),
              },
            ],
          },
        }),
  };
}

function recorder() {
  const seen: string[] = [];
  return {
    seen,
    condition: (of: { condition: string }, status: string) =>
      void seen.push(`${of.condition}=${status}`),
    becameReady: (seconds: number) => void seen.push(`ready after ${seconds}`),
    forget: (namespace: string, name: string) => void seen.push(`forget ${namespace}/${name}`),
  };
}

describe("metrics of InferenceServices", () => {
  for (const { why, event, want } of [
    {
      why: "a new one without a status is unknown",
      event: { type: "added", object: isvc() },
      want: ["Ready=Unknown", "LatestDeploymentReady=Unknown"],
    },
    {
      why: "from its creation to its first Ready",
      event: { type: "updated", before: isvc(), object: isvc("True", "2026-01-01T00:00:07Z") },
      want: ["Ready=True", "LatestDeploymentReady=Unknown", "ready after 7"],
    },
    {
      why: "from when it failed to when it was Ready again",
      event: {
        type: "updated",
        before: isvc("False", "2026-01-02T00:00:00Z"),
        object: isvc("True", "2026-01-02T00:00:30Z"),
      },
      want: ["Ready=True", "LatestDeploymentReady=Unknown", "ready after 30"],
    },
    {
      why: "what stays ready is no news",
      event: { type: "updated", before: isvc("True"), object: isvc("True") },
      want: ["Ready=True", "LatestDeploymentReady=Unknown"],
    },
    {
      why: "one that is gone takes its series along",
      event: { type: "deleted", object: isvc("True") },
      want: ["forget n/a"],
    },
  ] as const) {
    it(why, () => {
      const metrics = recorder();
      reportEvent(event, metrics);
      assert.deepEqual(metrics.seen, want);
    });
  }
});
