/** Where rollouts meet the cluster: what there is, what the pods have counted, and what follows. */
import type { InferenceService } from "./api/inferenceservice.gen.ts";
import type { KnativeService } from "./api/knative-service.gen.ts";
import {
  type ComponentName,
  COMPONENTS,
  LABEL_REVISION,
  type PerComponent,
  PREDICTOR_PORT,
} from "./api/names.ts";
import { belongings } from "./belongings.ts";
import type { Cluster } from "./cluster.ts";
import { livePods } from "./observe/pods.ts";
import { type Outcome, SETTLED } from "./outcome.ts";
import type { Meter } from "./rollout/metrics.ts";
import { rollOut, type RolledOut, type RollOutInput, underGate } from "./rollout/roll-out.ts";
import { stepOf } from "./rollout/state.ts";

export interface RolloutContext {
  readonly cluster: Cluster;
  readonly now: () => Date;
  readonly meter: Meter;
}

/** Where queue-proxy has its request metrics, once config-observability asks for Prometheus' format. */
const QUEUE_PROXY_PORT = 9091;

/** Times in an annotation are whole seconds: a look before the next one is not worth while. */
const LOOK_MS_MIN = 500;

/** The services of `wanted` with their traffic, decided from what there is. */
export async function rollOutAll(
  context: RolloutContext,
  isvc: InferenceService,
  wanted: PerComponent<KnativeService>,
  live: PerComponent<KnativeService>,
): Promise<PerComponent<RolledOut>> {
  const { cluster, now } = context;
  const found = belongings(cluster, isvc, live);
  const rolled: Partial<Record<ComponentName, RolledOut>> = {};
  for (const component of COMPONENTS) {
    const wish = wanted[component];
    if (wish !== undefined) {
      const input: RollOutInput = {
        isvc,
        component,
        wanted: wish,
        live: live[component],
        ...found,
        nowMs: now().getTime(),
      };
      rolled[component] = rollOut({ ...input, ...(await measured(context, input)) });
    }
  }
  return rolled;
}

/** What of them is to be applied. */
export function servicesOf(rolled: PerComponent<RolledOut>): PerComponent<KnativeService> {
  return Object.fromEntries(
    Object.entries(rolled).map(([component, { service }]) => [component, service]),
  );
}

/** A rollout goes on by itself: when to look again, though nothing happens. */
export function nextLook(rolled: PerComponent<RolledOut>): Outcome {
  const waits = Object.values(rolled).flatMap(({ checkAfterMs }) => checkAfterMs ?? []);
  return waits.length === 0
    ? SETTLED
    : { kind: "waiting", afterMs: Math.max(Math.min(...waits), LOOK_MS_MIN), reason: "Rollout" };
}

async function measured(
  { meter }: RolloutContext,
  input: RollOutInput,
): Promise<Pick<RollOutInput, "measured">> {
  const state = underGate(input);
  const { metadata } = input.wanted;
  const key = `${metadata.namespace ?? ""}/${metadata.name}`;
  if (state === undefined) {
    meter.forget(key);
    return {};
  }
  const revision = input.live?.status?.latestCreatedRevisionName;
  return {
    measured: await meter.measure({
      key,
      step: stepOf(state),
      sinceMs: Date.parse(state.since ?? ""),
      ports: [portOf(input.wanted), QUEUE_PROXY_PORT],
      pods: livePods(input.pods).filter(
        ({ metadata: { labels } }) => labels?.[LABEL_REVISION] === revision,
      ),
    }),
  };
}

/** Where its pods listen. */
export function portOf(service: KnativeService | undefined): number {
  const ports = service?.spec?.template?.spec?.containers.flatMap(
    (container) => container.ports ?? [],
  );
  return ports?.[0]?.containerPort ?? PREDICTOR_PORT;
}
