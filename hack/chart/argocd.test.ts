/** examples/argocd: what it names exists. That Argo CD syncs it is shown on the whole cluster. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import { parse } from "yaml";
import { CUSTOMIZATION, ROOT } from "./generate.ts";

interface Application {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: {
    readonly source: {
      readonly path: string;
      readonly targetRevision: string;
      readonly directory?: { readonly include: string };
    };
    readonly syncPolicy: { readonly syncOptions: readonly string[] };
  };
}

function read(path: string): unknown {
  return parse(readFileSync(join(ROOT, path), "utf8"));
}

describe("examples/argocd", () => {
  for (const name of ["iris", "pilotlight"]) {
    it(`application-${name}.yaml syncs a folder of this repository by server-side apply`, () => {
      const { kind, spec } = read(`examples/argocd/application-${name}.yaml`) as Application;
      assert.equal(kind, "Application");
      const { path, directory } = spec.source;
      assert.ok(existsSync(join(ROOT, path, directory?.include ?? "Chart.yaml")), path);
      assert.ok(spec.syncPolicy.syncOptions.includes("ServerSideApply=true"));
    });
  }

  it("application-pilotlight.yaml names the release of the chart", () => {
    const { spec } = read("examples/argocd/application-pilotlight.yaml") as Application;
    const { version } = read("charts/pilotlight/Chart.yaml") as { version: string };
    assert.equal(spec.source.targetRevision, `v${version}`);
  });

  it("argocd-cm-patch.yaml carries health.lua under the key of the kind", () => {
    const { data } = read("examples/argocd/argocd-cm-patch.yaml") as {
      data: Readonly<Record<string, string>>;
    };
    assert.deepEqual(data, {
      "resource.customizations.health.pilotlight.dev_InferenceService": readFileSync(
        join(ROOT, CUSTOMIZATION, "health.lua"),
        "utf8",
      ),
    });
  });
});
