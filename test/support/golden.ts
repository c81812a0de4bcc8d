/** The golden cases, and what the controller decides about one, as reconcile does. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type {
  InferenceService,
  InferenceServiceStatus,
} from "../../controller/api/inferenceservice.gen.ts";
import type { KnativeRevision } from "../../controller/api/knative-revision.gen.ts";
import type { KnativeService } from "../../controller/api/knative-service.gen.ts";
import type { ComponentName, PerComponent } from "../../controller/api/names.ts";
import type { ServingRuntime } from "../../controller/api/servingruntime.gen.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import type { RuntimeUpdates } from "../../controller/desired/builtin-runtimes.ts";
import { listedAmong, type ServiceAccount } from "../../controller/desired/account-secrets.ts";
import { type Desired, desired } from "../../controller/desired/desired.ts";
import { clusterFacts, type ConfigMapData } from "../../controller/desired/facts.ts";
import type { ModelHosts } from "../../controller/desired/model-hosts.ts";
import type { Node } from "../../controller/desired/nodes.ts";
import { isRefusal, type Refusal } from "../../controller/desired/refusal.ts";
import { templateDigest } from "../../controller/intent.ts";
import { observe } from "../../controller/observe/observe.ts";
import type { Pod } from "../../controller/observe/pods.ts";
import type { Measured } from "../../controller/rollout/plan.ts";
import { rollOut, type RolledOut } from "../../controller/rollout/roll-out.ts";
import { asRuntime, builtIns } from "../../controller/runtimes.ts";

export interface Given {
  /** Which rule the case is about, in a sentence. */
  readonly why: string;
  readonly inferenceService: InferenceService;
  readonly knativeConfig?: Readonly<Record<string, ConfigMapData>>;
  /** The predictor's Knative Service as it is; `services` for more of them. */
  readonly service?: KnativeService;
  readonly services?: PerComponent<KnativeService>;
  readonly revisions?: readonly KnativeRevision[];
  readonly pods?: readonly Pod[];
  readonly nodes?: readonly Node[];
  /** What the pods of a revision under a gate have counted, or why nobody knows. */
  readonly measured?: Measured | string;
  /** What the pods tell of their models. */
  readonly digests?: Readonly<Record<string, string>>;
  readonly runtimes?: readonly ServingRuntime[];
  /** Service accounts and Secrets; of these, the metadata counts. */
  readonly accounts?: readonly (KubeObject & ServiceAccount)[];
  readonly runtimeUpdates?: RuntimeUpdates;
  /** The installation's rules for where models may come from. */
  readonly modelHosts?: ModelHosts;
}

export const FOLDER = join(import.meta.dirname, "../golden");
const NOW = "2026-11-22T12:00:00Z";
/** What the cases' predictors are made with. */
export const DEFAULTS = {
  image: "pilotlight/predictor:test",
  resources: { requests: { cpu: "100m", memory: "256Mi" } },
};
const BUILT_IN = builtIns({ predictorImage: DEFAULTS.image, thirdParty: true, images: {} });

/** Names of the cases, in their order. */
export const CASES: readonly string[] = readdirSync(FOLDER).toSorted();

/** The given half of a case, new each time. */
export function given(name: string): Given {
  return parse(readFileSync(join(FOLDER, name, "given.yaml"), "utf8")) as Given;
}

/** What is to be, and what is said. */
export interface Decided {
  readonly wanted: Desired | Refusal;
  readonly rolled: PerComponent<RolledOut>;
  readonly status: InferenceServiceStatus;
}

/** The Knative Services of a case, as they are. */
export function servicesIn({ service, services }: Given): PerComponent<KnativeService> {
  return services ?? (service === undefined ? {} : { predictor: service });
}

/** Decides once. A digest in a file would change with every rule of the template: WANTED is it. */
export function decide(of: Given): Decided {
  const { inferenceService: isvc, revisions = [], pods = [] } = of;
  const services = servicesIn(of);
  const facts = clusterFacts("knative-serving", (name) => of.knativeConfig?.[name]);
  const wanted = desired({
    isvc,
    facts,
    defaults: { ...DEFAULTS, ...(of.modelHosts && { modelHosts: of.modelHosts }) },
    runtimes: [...(of.runtimes ?? []).map(asRuntime), ...BUILT_IN],
    runtimeUpdates: of.runtimeUpdates ?? "OnRequest",
    accountSecrets: listedAmong(isvc, of.accounts ?? []),
    live: services,
  });
  const rolled = isRefusal(wanted) ? {} : rolledOut(of, wanted.services, services);
  const status = observe({
    isvc,
    ...(isRefusal(wanted) ? { refusal: wanted } : { ...wanted, rolled }),
    services,
    revisions,
    pods,
    digests: new Map(Object.entries(of.digests ?? {})),
    ...(of.nodes === undefined ? {} : { nodes: of.nodes }),
    now: NOW,
  });
  return { wanted, rolled, status };
}

/** The traffic, decided as reconcile does. */
function rolledOut(
  of: Given,
  wanted: PerComponent<KnativeService>,
  services: PerComponent<KnativeService>,
): PerComponent<RolledOut> {
  const rolled = Object.entries(wanted).map(([name, service]) => {
    const component = name as ComponentName;
    const decided = rollOut({
      isvc: of.inferenceService,
      component,
      wanted: service,
      live: withDigest(services[component], templateDigest(service)),
      revisions: of.revisions ?? [],
      pods: of.pods ?? [],
      ...(of.measured === undefined ? {} : { measured: of.measured }),
      nowMs: Date.parse(NOW),
    });
    return [component, decided];
  });
  return Object.fromEntries(rolled) as PerComponent<RolledOut>;
}

function withDigest(live: KnativeService | undefined, digest: string): KnativeService | undefined {
  return live === undefined
    ? undefined
    : (JSON.parse(JSON.stringify(live).replaceAll("WANTED", digest)) as KnativeService);
}

/** With WANTED for the digest, as the files have it. */
export function withWord(rolled: RolledOut, digest: string): RolledOut {
  return JSON.parse(JSON.stringify(rolled).replaceAll(digest, "WANTED")) as RolledOut;
}
