import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { adapt } from "./manifests.ts";

const deployment = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "activator", namespace: "knative-serving" },
  spec: {
    replicas: 1,
    template: {
      spec: {
        serviceAccountName: "activator",
        containers: [
          {
            name: "activator",
            image: "ko://knative.dev/serving/cmd/activator",
            resources: { requests: { cpu: "300m" }, limits: { cpu: "1" } },
          },
        ],
      },
    },
  },
};

describe("adapt", () => {
  it("runs an image of the node that asks for little and is not limited", () => {
    assert.deepEqual(adapt(deployment).spec, {
      replicas: 1,
      template: {
        spec: {
          serviceAccountName: "activator",
          containers: [
            {
              name: "activator",
              image: "dev.local/knative-activator:v0.48.1",
              resources: { requests: { cpu: "10m", memory: "40Mi" } },
            },
          ],
        },
      },
    });
  });

  it("replaces the queue's image wherever it is named", () => {
    const config = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "config-deployment" },
      data: { "queue-sidecar-image": "ko://knative.dev/serving/cmd/queue" },
    };
    assert.deepEqual(adapt(config).data, {
      "queue-sidecar-image": "dev.local/knative-queue:v0.48.1",
    });
  });

  it("refuses an image that nobody builds", () => {
    const image = "ko://knative.dev/serving/cmd/nonesuch";
    const manifest = { apiVersion: "v1", kind: "Image", metadata: { name: "x" }, spec: { image } };
    assert.throws(() => adapt(manifest), /wants an image that is not built: .*nonesuch/);
  });

  it("adds our settings to Knative's and keeps the rest", () => {
    const config = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "config-network" },
      data: { _example: "text" },
    };
    assert.deepEqual(adapt(config).data, {
      _example: "text",
      "ingress-class": "gateway-api.ingress.networking.knative.dev",
    });
  });
});
