/** F21: the definition of an older chart, with a field less, upgraded and rolled back by Helm. */
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { stringify } from "yaml";
import { CHART, ROOT } from "../../hack/chart/generate.ts";
import { waitFor } from "../../hack/cluster/wait.ts";
import { TIMEOUT, useTestCluster } from "./cluster.ts";

const DEFINITION = "templates/crds/inferenceservice.yaml";

interface Stored {
  readonly metadata: { readonly uid: string };
  readonly spec: { readonly predictor: { readonly startupTimeout?: number } };
}

describe("charts/pilotlight after a chart of before", function () {
  this.timeout(120_000);
  const cluster = useTestCluster("knative-serving", "operators");
  let folder: string;
  const path = "/apis/pilotlight.dev/v1beta1/namespaces/default/inferenceservices/kept";
  const read = (): Promise<Stored> => cluster().get<Stored>(path);

  async function apply(fields: object = {}): Promise<Stored> {
    const model = { modelFormat: { name: "onnx" }, storageUri: "s3://models/iris" };
    const manifest = {
      apiVersion: "pilotlight.dev/v1beta1",
      kind: "InferenceService",
      metadata: { name: "kept", namespace: "default" },
      spec: { predictor: { model, startupTimeout: 60, ...fields } },
    };
    await cluster().kubectl(["apply", "--validate=ignore", "-f", "-"], stringify(manifest));
    return read();
  }

  const helm = (verb: string, ...args: readonly string[]): Promise<string> =>
    cluster().helm(verb, "pilotlight", ...args, "--namespace", "operators");

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "chart-of-before-"));
    await cp(join(ROOT, CHART), folder, { recursive: true });
    const text = await readFile(join(folder, DEFINITION), "utf8");
    const without = text.replace(/^( +)startupTimeout:\n(?:\1 .*\n)+/m, "");
    assert.notEqual(without, text);
    await writeFile(join(folder, DEFINITION), without);
  });

  after(async () => {
    await rm(folder, { recursive: true });
  });

  it("a field that the old definition does not know is dropped, and all else is stored", async () => {
    await helm("install", folder);
    await cluster().untilServed();
    assert.equal((await apply()).spec.predictor.startupTimeout, undefined);
  });

  it("after an upgrade it is stored, in the object that was there", async () => {
    const { uid } = (await read()).metadata;
    await helm("upgrade", join(ROOT, CHART));
    const stored = await waitFor("the new definition counts", () => known(apply()), TIMEOUT);
    assert.equal(stored.metadata.uid, uid);
    assert.equal(stored.spec.predictor.startupTimeout, 60);
  });

  it("after a rollback it is not seen, the object can be changed, and the next upgrade has it again", async () => {
    const { uid } = (await read()).metadata;
    await helm("rollback", "1");
    await waitFor(
      "the old definition counts",
      async () => ((await read()).spec.predictor.startupTimeout === undefined ? true : undefined),
      TIMEOUT,
    );
    const changed = await apply({ minReplicas: 2 });
    assert.deepEqual(
      [changed.metadata.uid, changed.spec.predictor.startupTimeout],
      [uid, undefined],
    );
    await helm("upgrade", join(ROOT, CHART));
    const stored = await waitFor("the new definition counts", () => known(apply()), TIMEOUT);
    assert.equal(stored.metadata.uid, uid);
  });
});

/** The object once it has the field. */
async function known(applied: Promise<Stored>): Promise<Stored | undefined> {
  const stored = await applied;
  return stored.spec.predictor.startupTimeout === undefined ? undefined : stored;
}
