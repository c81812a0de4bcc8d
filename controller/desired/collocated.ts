/**
 * A transformer in the predictor's own pod, KServe's "collocation": requests go to the container
 * named transformer-container, which asks the model server next to it.
 */
import type { InferenceService } from "../api/inferenceservice.gen.ts";
import type { KnativeServiceContainer } from "../api/knative-service.gen.ts";
import { customContainers, told } from "./custom.ts";
import { isRefusal, type Refusal } from "./refusal.ts";

/** Where the model server listens when another container has the pod's port. */
const PORT = 8085;

/** `model` and what stands beside it in spec.predictor.containers; the first takes the requests. */
export function collocated(
  isvc: InferenceService,
  model: KnativeServiceContainer,
): readonly KnativeServiceContainer[] | Refusal {
  const { containers: beside } = isvc.spec.predictor;
  if (beside === undefined) {
    return [model];
  }
  const containers = customContainers(isvc, beside, "spec.predictor");
  if (isRefusal(containers)) {
    return containers;
  }
  const [transformer, ...others] = containers;
  if (transformer === undefined) {
    return [model];
  }
  // Knative lets one container have a port, and by default only that one be probed.
  const { ports: _ports, readinessProbe: _ready, livenessProbe: _live, ...hidden } = model;
  return [
    {
      ports: [{ containerPort: 8080 }],
      ...told(transformer, {
        model_name: isvc.metadata.name,
        predictor_host: `localhost:${PORT}`,
        http_port: String(transformer.ports?.[0]?.containerPort ?? 8080),
      }),
    },
    { ...hidden, env: [...(hidden.env ?? []), { name: "PORT", value: String(PORT) }] },
    ...others,
  ];
}
