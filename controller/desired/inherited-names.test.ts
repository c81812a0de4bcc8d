import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { InferenceService } from "../api/inferenceservice.gen.ts";
import { builtIns } from "../runtimes.ts";
import { desired } from "./desired.ts";
import { clusterFacts } from "./facts.ts";
import { isRefusal } from "./refusal.ts";

/** What every object has without saying so: to a table of ours they are words like any other. */
const NAMES = Object.getOwnPropertyNames(Object.prototype);
const model = { modelFormat: { name: "onnx" }, storageUri: "s3://models/iris" };
const container = { name: "server", image: "example.com/server:1" };

/** Specs with `name` where the schema lets any word through. */
function places(name: string): Readonly<Record<string, object>> {
  return {
    "a model's field": { onnx: { storageUri: model.storageUri, [name]: "x" } },
    "an affinity": { model, affinity: { [name]: "x" } },
    "a volume": { model, volumes: [{ name: "v", [name]: {} }] },
    "a probe": { containers: [{ ...container, readinessProbe: { [name]: 1 } }] },
    "a label": { model, labels: { [name]: "x" } },
    "an annotation": { model, annotations: { [name]: "x" } },
    "an annotation of the autoscaler": {
      model,
      annotations: { [`autoscaling.knative.dev/${name}`]: "x" },
    },
    "another autoscaler's metric": {
      model,
      annotations: {
        "autoscaling.knative.dev/class": "example.com/scaler",
        "autoscaling.knative.dev/metric": name,
      },
    },
    "a TPU": { model, accelerator: { type: "google-tpu", product: name } },
    "an instance": { model, accelerator: { type: "aws-neuron", product: name } },
    "a format": { model: { ...model, modelFormat: { name } } },
    "a runtime": { model: { ...model, runtime: name } },
    "a variable": { model: { ...model, env: [{ name, value: "x" }] } },
    "a resource": { model: { ...model, resources: { limits: { [name]: "1" } } } },
    "an annotation that the log tells": {
      model,
      logger: { url: "http://sink", metadataAnnotations: [name] },
    },
  };
}

describe("names that every object inherits", () => {
  const facts = clusterFacts("knative-serving", (name) =>
    name === "config-autoscaler" ? {} : undefined,
  );
  const defaults = { image: "predictor:1", resources: {} };
  const runtimes = builtIns({ predictorImage: defaults.image, thirdParty: true, images: {} });

  for (const place of Object.keys(places(""))) {
    it(`are words like any other in ${place}`, () => {
      for (const name of NAMES) {
        const isvc = {
          apiVersion: "pilotlight.dev/v1beta1",
          kind: "InferenceService",
          metadata: { name: "iris", namespace: "default", annotations: {} },
          spec: { predictor: places(name)[place] },
        } as unknown as InferenceService;
        const found = desired({ isvc, facts, defaults, runtimes });
        const said = isRefusal(found) ? found.message : JSON.stringify(found);
        assert.doesNotMatch(said, /function|native code|\[object/, name);
        if (isRefusal(found)) {
          assert.ok(said.includes(name), `${name}: ${said}`);
        }
      }
    });
  }
});
