/**
 * What a person does with a service: asks beforehand, looks, goes back, stops, resumes. By kubectl
 * and by the program as it is shipped, as docs/cli.md and docs/api/inferenceservice.md say it.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import type { HistoryEntry } from "../../controller/api/inferenceservice.gen.ts";
import { KNATIVE_SERVICE } from "../../controller/api/kinds.ts";
import type { KnativeService } from "../../controller/api/knative-service.gen.ts";
import { ANNOTATION_RUNTIME, predictorServiceName } from "../../controller/api/names.ts";
import { condition } from "../../controller/observe/conditions.ts";
import type { CommandResult } from "../../hack/go/command.ts";
import { ok, ROOT, world, type World } from "./world.ts";

const at = { namespace: "e2e-by-hand", name: "iris" };
const PROGRAM = join(ROOT, "dist/pilotlight.cjs");
const EXAMPLE = join(ROOT, "examples/iris/isvc.yaml");
const INFER = "/v2/models/iris/infer";
const FIRST = "iris-predictor-00001";
const SECOND = "iris-predictor-00002";
/** A revision may have to start first, on a machine that has other work. */
const PATIENCE_MS = 120_000;

interface Prediction {
  readonly outputs: readonly { readonly name: string; readonly data: readonly number[] }[];
}

describe("by hand", () => {
  let w: World;
  let folder: string;
  let body: string;

  const kubectl = (...args: readonly string[]): Promise<string> =>
    w.kubectl(...args, "-n", at.namespace);
  const pilotlight = (args: readonly string[], input = ""): Promise<CommandResult> =>
    w.cluster.exec(process.execPath, [PROGRAM, ...args, "-n", at.namespace], {
      tolerate: true,
      input,
    });
  const history = async (): Promise<readonly HistoryEntry[]> =>
    JSON.parse((await pilotlight(["history", at.name, "-o", "json"])).stdout) as HistoryEntry[];

  const assertAnswers = async (): Promise<void> =>
    assertIris(ok<Prediction>(await w.post(at, INFER, body)));

  const until = <A>(what: string, probe: () => Promise<A | undefined>): Promise<A> =>
    w.client.until(what, probe, PATIENCE_MS);

  /** Until `revision` has every request, by Knative's own word. */
  const untilServes = (revision: string): Promise<boolean> =>
    until(`${revision} serves`, async () => {
      const found = await w.isvc(at.namespace, at.name);
      const traffic = found?.status?.components?.predictor?.traffic ?? [];
      const all = traffic.find(({ percent }) => percent === 100)?.revisionName;
      if (all === revision) {
        return true;
      }
      throw new Error(JSON.stringify(traffic));
    });

  before(async () => {
    w = await world();
    await w.namespace(at.namespace);
    folder = await mkdtemp(join(tmpdir(), "by-hand-"));
    body = await readFile(join(ROOT, "examples/iris/request.json"), "utf8");
  });

  after(async () => {
    await rm(folder, { recursive: true, force: true });
    await w.removeNamespace(at.namespace);
  });

  it("check: what this cluster would serve is ok, what its Knative forbids is an obstacle; both from what was captured, too", async () => {
    const captured = join(folder, "knative.yaml");
    const maps = await w.kubectl("get", "configmaps", "-n", "knative-serving", "-o", "yaml");
    await writeFile(captured, maps);
    const manifest = await readFile(EXAMPLE, "utf8");
    const forbidden = manifest.replace("    minReplicas: 0", "    nodeSelector: {disk: fast}");
    for (const how of [[], ["--config", captured]]) {
      const fine = await pilotlight(["check", "-f", EXAMPLE, ...how]);
      assert.deepEqual([fine.exitCode, fine.stderr], [0, ""]);
      assert.match(fine.stdout, /e2e-by-hand\/iris: ok$/m);
      const refused = await pilotlight(["check", "-f", "-", ...how], forbidden);
      assert.equal(refused.exitCode, 1, refused.stderr);
      assert.match(
        refused.stdout,
        /obstacle: KnativeFeatureDisabled: spec\.predictor\.nodeSelector/,
      );
    }
    assert.equal(await w.isvc(at.namespace, at.name), undefined);
  });

  it("status: 1 until there is one, 0 when it is ready, with who serves and the pod", async () => {
    assert.equal((await pilotlight(["status", at.name])).exitCode, 1);
    await kubectl("apply", "-f", EXAMPLE);
    await w.untilUp(at);
    await assertAnswers();
    const { exitCode, stdout } = await pilotlight(["status", at.name]);
    assert.equal(exitCode, 0, stdout);
    assert.match(stdout, /^Ready +True +Serving/m);
    assert.match(stdout, /^predictor +iris-predictor-00001 +100 % +- +stable, newest$/m);
    assert.match(
      stdout,
      /^iris-predictor-00001-deployment-\S+ +iris-predictor-00001 +Running +ready/m,
    );
  });

  it("the example's curl line answers at the URL of the status", async () => {
    const readme = await readFile(join(ROOT, "examples/iris/README.md"), "utf8");
    const line = /^curl -d .*kubectl get isvc iris .*$/m.exec(readme)?.[0] ?? "";
    const { host, port } = w.cluster.ingress;
    // The cluster's domain is in no DNS, and the service in a namespace of the test's.
    const here = line
      .replace("curl", `curl --silent --show-error --connect-to ::${host}:${port}`)
      .replace("kubectl get", `kubectl get -n ${at.namespace}`);
    const { stdout } = await w.cluster.exec("sh", ["-c", here], { cwd: ROOT });
    assertIris(JSON.parse(stdout) as Prediction);
  });

  it("history tells of an edit, rollback undoes it without a new revision", async () => {
    const edit = JSON.stringify({ spec: { predictor: { containerConcurrency: 3 } } });
    await kubectl("patch", "isvc", at.name, "--type=merge", "-p", edit);
    // Right after the edit: kubectl goes by observedGeneration.
    const wait = ["--for=condition=LatestDeploymentReady", "--timeout=120s"];
    await kubectl("wait", ...wait, `isvc/${at.name}`);
    await untilServes(SECOND);
    const told = await pilotlight(["history", at.name]);
    const [, newest, oldest] = told.stdout.split("\n");
    assert.match(newest ?? "", /^iris-predictor-00002 +2 +Serving +kubectl-patch /);
    assert.match(oldest ?? "", /^iris-predictor-00001 +1 +Superseded +kubectl-client-side-apply /);

    const back = await pilotlight(["rollback", at.name]);
    assert.deepEqual([back.exitCode, back.stdout], [0, `iris: everything goes to ${FIRST}\n`]);
    await untilServes(FIRST);
    await assertAnswers();
    assert.equal((await w.revisions(at)).length, 2);
    const [undone] = await history();
    assert.deepEqual([undone?.revision, undone?.outcome], [SECOND, "RolledBack"]);

    const forth = JSON.stringify({ spec: { predictor: { canaryTrafficPercent: null } } });
    await kubectl("patch", "isvc", at.name, "--type=merge", "-p", forth);
    await untilServes(SECOND);
  });

  /** What pods are made from, and the runtime that was chosen. */
  async function made(): Promise<object> {
    const name = predictorServiceName(at.name);
    const found = await w.client.get<KnativeService>(KNATIVE_SERVICE, at.namespace, name);
    const runtime = found?.metadata.annotations?.[ANNOTATION_RUNTIME];
    assert.ok(runtime !== undefined);
    return { template: found?.spec?.template, runtime };
  }

  let madeBefore: object;

  it("stop: nothing of it runs, nobody answers, and that is neither under way nor stuck", async () => {
    await assertAnswers();
    madeBefore = await made();
    await kubectl("annotate", `isvc/${at.name}`, "pilotlight.dev/stop=true");
    const { status } = await w.untilReason(at, "Ready", "Stopped");
    assert.deepEqual(
      ["Ready", "Stopped", "Reconciling", "Stalled"].map(
        (type) => condition(status?.conditions, type)?.status,
      ),
      ["False", "True", undefined, undefined],
    );
    assert.equal(status?.url, undefined);
    const said = await pilotlight(["status", at.name]);
    assert.equal(said.exitCode, 1);
    assert.match(said.stdout, /^Ready +False +Stopped +.*pilotlight\.dev\/stop/m);
    assert.deepEqual(
      (await history()).map(({ revision, outcome }) => [revision, outcome]),
      [
        [SECOND, "Stopped"],
        [FIRST, "Superseded"],
      ],
    );
    await until("its Knative Service and its revisions are gone", async () => {
      const services = await w.client.list(KNATIVE_SERVICE, at.namespace);
      const left = services.length + (await w.revisions(at)).length;
      return left === 0 ? true : undefined;
    });
    await until("its route is gone", async () => {
      // Without any route left Envoy does not listen at all.
      const answer = await w.post(at, INFER, body).catch(() => undefined);
      return answer === undefined || answer.status === 404 ? true : undefined;
    });
    await w.untilPods(at, 0);
  });

  it("resume: the same is made again, and serves", async () => {
    await kubectl("annotate", `isvc/${at.name}`, "pilotlight.dev/stop-");
    const { status } = await w.untilUp(at);
    assert.equal(condition(status?.conditions, "Stopped"), undefined);
    assert.equal(status?.runtime?.name, "onnxruntime");
    assert.equal((await w.revisions(at)).length, 1);
    assert.deepEqual(await made(), madeBefore);
    await assertAnswers();
    const entries = await history();
    assert.deepEqual(
      entries.map(({ revision, outcome }) => [revision, outcome]),
      [
        [FIRST, "Serving"],
        [SECOND, "Stopped"],
        [FIRST, "Superseded"],
      ],
    );
  });
});

/** The example's request has a flower of each species. */
function assertIris({ outputs }: Prediction): void {
  assert.deepEqual(outputs.find(({ name }) => name === "label")?.data, [0, 1, 2]);
}
