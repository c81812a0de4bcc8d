/**
 * Golden cases: test/golden/<case>/given.yaml → want.yaml. `given` is an InferenceService and what
 * exists of its world; `want` is what the controller would apply, or why it refuses, and the status
 * it would write. UPDATE_GOLDEN=1 rewrites want.yaml: read the diff.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import { parse, stringify } from "yaml";
import type { InferenceService } from "../controller/api/inferenceservice.gen.ts";
import type { KnativeRevision } from "../controller/api/knative-revision.gen.ts";
import type { KnativeService } from "../controller/api/knative-service.gen.ts";
import type { ComponentName, PerComponent } from "../controller/api/names.ts";
import type { ServingRuntime } from "../controller/api/servingruntime.gen.ts";
import type { RuntimeUpdates } from "../controller/desired/builtin-runtimes.ts";
import { desired } from "../controller/desired/desired.ts";
import { clusterFacts, type ConfigMapData } from "../controller/desired/facts.ts";
import type { Node } from "../controller/desired/nodes.ts";
import { isRefusal } from "../controller/desired/refusal.ts";
import { happenings } from "../controller/observe/happenings.ts";
import { observe, sameStatus } from "../controller/observe/observe.ts";
import type { Pod } from "../controller/observe/pods.ts";
import { templateDigest } from "../controller/intent.ts";
import type { Measured } from "../controller/rollout/plan.ts";
import { rollOut, type RolledOut } from "../controller/rollout/roll-out.ts";
import { servicesOf } from "../controller/rollouts.ts";
import { asRuntime, builtIns } from "../controller/runtimes.ts";

interface Given {
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
  readonly runtimeUpdates?: RuntimeUpdates;
}

const folder = join(import.meta.dirname, "golden");
const NOW = "2026-11-22T12:00:00Z";
const DEFAULTS = {
  image: "pilotlight/predictor:test",
  resources: { requests: { cpu: "100m", memory: "256Mi" } },
};

const BUILT_IN = builtIns({ predictorImage: DEFAULTS.image, thirdParty: true, images: {} });

function outcome(given: Given): unknown {
  const { inferenceService: isvc, service, revisions = [], pods = [] } = given;
  const services = given.services ?? (service === undefined ? {} : { predictor: service });
  const facts = clusterFacts("knative-serving", (name) => given.knativeConfig?.[name]);
  const runtimes = [...(given.runtimes ?? []).map(asRuntime), ...BUILT_IN];
  const updates = given.runtimeUpdates ?? "OnRequest";
  const wanted = desired({
    isvc,
    facts,
    defaults: DEFAULTS,
    runtimes,
    runtimeUpdates: updates,
    live: services,
  });
  const rolled = isRefusal(wanted) ? undefined : rolledOut(given, wanted.services, services);
  const status = observe({
    isvc,
    ...(isRefusal(wanted) ? { refusal: wanted } : wanted),
    ...(rolled === undefined ? {} : { rolled }),
    services,
    revisions,
    pods,
    digests: new Map(Object.entries(given.digests ?? {})),
    ...(given.nodes === undefined ? {} : { nodes: given.nodes }),
    now: NOW,
  });
  assert.ok(sameStatus(status, { ...status }), "a status is the same as itself");
  return {
    ...(isRefusal(wanted) ? { refusal: wanted } : { apply: applied(servicesOf(rolled ?? {})) }),
    status,
    events: happenings(isvc.status, status),
  };
}

/** The traffic, decided as reconcile does. */
function rolledOut(
  given: Given,
  wanted: PerComponent<KnativeService>,
  services: PerComponent<KnativeService>,
): PerComponent<RolledOut> {
  const rolled = Object.entries(wanted).map(([name, service]) => {
    const component = name as ComponentName;
    const decided = rollOut({
      isvc: given.inferenceService,
      component,
      wanted: service,
      live: withDigest(services[component], templateDigest(service)),
      revisions: given.revisions ?? [],
      pods: given.pods ?? [],
      ...(given.measured === undefined ? {} : { measured: given.measured }),
      nowMs: Date.parse(NOW),
    });
    return [component, withWord(decided, templateDigest(service))];
  });
  return Object.fromEntries(rolled) as PerComponent<RolledOut>;
}

/** A digest in a file would change with every rule of the template: WANTED stands for it. */
function withDigest(live: KnativeService | undefined, digest: string): KnativeService | undefined {
  return live === undefined
    ? undefined
    : (JSON.parse(JSON.stringify(live).replaceAll("WANTED", digest)) as KnativeService);
}

function withWord(rolled: RolledOut, digest: string): RolledOut {
  return JSON.parse(JSON.stringify(rolled).replaceAll(digest, "WANTED")) as RolledOut;
}

/** The predictor's alone where it is the only one; else a list. */
function applied(services: PerComponent<KnativeService>): unknown {
  const all = Object.values(services);
  return all.length === 1 ? all[0] : all;
}

describe("golden", () => {
  for (const name of readdirSync(folder).toSorted()) {
    const given = parse(readFileSync(join(folder, name, "given.yaml"), "utf8")) as Given;
    it(`${name}: ${given.why}`, () => {
      const path = join(folder, name, "want.yaml");
      // Through YAML, as the API server would see it: an undefined field is no field.
      const actual: unknown = parse(stringify(outcome(given), { aliasDuplicateObjects: false }));
      if (process.env["UPDATE_GOLDEN"] === "1") {
        writeFileSync(path, stringify(actual, { aliasDuplicateObjects: false, lineWidth: 0 }));
      }
      assert.ok(existsSync(path), `${path} is missing; UPDATE_GOLDEN=1 writes it`);
      const want: unknown = parse(readFileSync(path, "utf8"));
      assert.deepEqual(actual, want);
    });
  }

  it("the same input gives the same output, and the input is left alone", () => {
    for (const name of readdirSync(folder)) {
      const text = readFileSync(join(folder, name, "given.yaml"), "utf8");
      const given = parse(text) as Given;
      assert.equal(stringify(outcome(given)), stringify(outcome(parse(text) as Given)), name);
      assert.deepEqual(given, parse(text), `${name}: input changed`);
    }
  });
});
