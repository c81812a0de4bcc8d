/**
 * Golden cases: test/golden/<case>/given.yaml → want.yaml. `given` is an InferenceService and what
 * exists of its world; `want` is what the controller would apply, or why it refuses, and the status
 * it would write. UPDATE_GOLDEN=1 rewrites want.yaml: read the diff.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import { parse, stringify } from "yaml";
import type { KnativeService } from "../controller/api/knative-service.gen.ts";
import type { PerComponent } from "../controller/api/names.ts";
import { isRefusal } from "../controller/desired/refusal.ts";
import { satisfied, stamped, templateDigest } from "../controller/intent.ts";
import { happenings } from "../controller/observe/happenings.ts";
import { sameStatus } from "../controller/observe/observe.ts";
import { servicesOf } from "../controller/rollouts.ts";
import {
  CASES,
  decide,
  FOLDER,
  type Given,
  given,
  servicesIn,
  withWord,
} from "./support/golden.ts";

function outcome(of: Given): unknown {
  const { wanted, rolled, status } = decide(of);
  assert.ok(sameStatus(status, { ...status }), "a status is the same as itself");
  return {
    ...(isRefusal(wanted)
      ? { refusal: wanted }
      : { apply: applied(servicesOf(withWords(rolled, wanted.services))) }),
    status,
    events: happenings(of.inferenceService.status, status),
  };
}

function withWords(
  rolled: ReturnType<typeof decide>["rolled"],
  wanted: PerComponent<KnativeService>,
): ReturnType<typeof decide>["rolled"] {
  const names = Object.keys(rolled) as (keyof typeof rolled)[];
  return Object.fromEntries(
    names.flatMap((name) => {
      const [decided, wish] = [rolled[name], wanted[name]];
      return decided === undefined || wish === undefined
        ? []
        : [[name, withWord(decided, templateDigest(wish))]];
    }),
  );
}

/** The predictor's alone where it is the only one; else a list. */
function applied(services: PerComponent<KnativeService>): unknown {
  const all = Object.values(services);
  return all.length === 1 ? all[0] : all;
}

/** The same world once the API server has what was wanted, and nobody else has done anything. */
function next(of: Given): Given {
  const { wanted, rolled, status } = decide(of);
  const before = servicesIn(of);
  const services = isRefusal(wanted)
    ? before
    : Object.fromEntries(
        Object.entries(servicesOf(rolled)).map(([name, wish]) => [
          name,
          written(before[name as keyof typeof before], wish),
        ]),
      );
  const { service: _service, ...rest } = of;
  return { ...rest, services, inferenceService: { ...of.inferenceService, status } };
}

function written(live: KnativeService | undefined, wish: KnativeService): KnativeService {
  const { metadata, spec } = stamped(wish);
  const changed = JSON.stringify(live?.spec) !== JSON.stringify(spec);
  const generation = (live?.metadata.generation ?? 0) + (changed ? 1 : 0);
  return {
    ...wish,
    metadata: { ...live?.metadata, ...metadata, generation },
    ...(spec === undefined ? {} : { spec }),
    ...(live?.status === undefined ? {} : { status: live.status }),
  };
}

describe("golden", () => {
  for (const name of CASES) {
    const of = given(name);
    it(`${name}: ${of.why}`, () => {
      const path = join(FOLDER, name, "want.yaml");
      // Through YAML, as the API server would see it: an undefined field is no field.
      const actual: unknown = parse(stringify(outcome(of), { aliasDuplicateObjects: false }));
      if (process.env["UPDATE_GOLDEN"] === "1") {
        writeFileSync(path, stringify(actual, { aliasDuplicateObjects: false, lineWidth: 0 }));
      }
      assert.ok(existsSync(path), `${path} is missing; UPDATE_GOLDEN=1 writes it`);
      const want: unknown = parse(readFileSync(path, "utf8"));
      assert.deepEqual(actual, want);
    });
  }

  it("the same input gives the same output, and the input is left alone", () => {
    for (const name of CASES) {
      const of = given(name);
      assert.equal(stringify(outcome(of)), stringify(outcome(given(name))), name);
      assert.deepEqual(of, given(name), `${name}: input changed`);
    }
  });

  it("the steady state wants nothing: what was applied and said is not applied or said again", () => {
    const restless: string[] = [];
    for (const name of CASES) {
      const second = next(given(name));
      const { rolled, status } = decide(second);
      for (const [component, { service }] of Object.entries(rolled)) {
        const live = servicesIn(second)[component as keyof typeof rolled];
        if (live === undefined || !satisfied(live, stamped(service))) {
          restless.push(`${name}: the ${component}'s Knative Service is written again`);
        }
      }
      const third = decide({
        ...second,
        inferenceService: { ...second.inferenceService, status },
      });
      if (!sameStatus(status, third.status)) {
        restless.push(`${name}: the status is written again`);
      }
      for (const { reason } of happenings(status, third.status)) {
        restless.push(`${name}: an Event ${reason} is published again`);
      }
    }
    assert.deepEqual(restless, []);
  });
});
