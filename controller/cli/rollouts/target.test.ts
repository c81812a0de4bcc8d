import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { sendJson, startScripted, type Script } from "../../kube/testing/scripted-server.ts";
import { type Ran, runCommand } from "../testing/terminal.ts";

const ISVC = "/apis/pilotlight.dev/v1beta1/namespaces/default/inferenceservices/iris";
const KSERVE = ISVC.replace("pilotlight.dev", "serving.kserve.io");
const REVISION = "/apis/serving.knative.dev/v1/namespaces/default/revisions/iris-predictor-00001";

const isvc = {
  apiVersion: "serving.kserve.io/v1beta1",
  kind: "InferenceService",
  metadata: { name: "iris", namespace: "default", generation: 2 },
  status: {
    observedGeneration: 2,
    conditions: [{ type: "Ready", status: "True" }],
    components: {
      predictor: {
        latestCreatedRevision: "iris-predictor-00002",
        latestRolledoutRevision: "iris-predictor-00001",
      },
    },
    history: [{ revision: "iris-predictor-00002" }],
  },
};
const revision = { metadata: { labels: { "pilotlight.dev/inferenceservice": "iris" } } };

type Answer = readonly [status: number, body: object];

function failure(code: number, reason: string, message: string): Answer {
  return [code, { kind: "Status", code, reason, message }];
}
const NONE = failure(404, "NotFound", "not found");

describe("the InferenceService that status, history and rollback are about", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pilotlight-target-"));
  });
  after(() => rm(folder, { recursive: true }));

  /** Runs a command against a server that answers so, by `METHOD path`; all else is not found. */
  async function run(
    answers: Readonly<Record<string, Answer>>,
    ...args: readonly string[]
  ): Promise<Ran & { readonly seen: readonly string[] }> {
    const script: Script = ({ method, url }, response) => {
      const [status, body] = answers[`${method} ${url.pathname}`] ?? NONE;
      sendJson(response, status, body);
    };
    await using server = await startScripted(script);
    const config = join(folder, "kubeconfig");
    const clusters = [
      { name: "c", cluster: { server: server.url, "insecure-skip-tls-verify": true } },
    ];
    const contexts = [{ name: "c", context: { cluster: "c", user: "u" } }];
    const users = [{ name: "u", user: {} }];
    await writeFile(config, JSON.stringify({ clusters, contexts, users, "current-context": "c" }));
    const ran = await runCommand(...args, "--kubeconfig", config);
    return { ...ran, seen: server.seen.map(({ method, url }) => `${method} ${url.pathname}`) };
  }

  const kserve = { [`GET ${KSERVE}`]: [200, isvc], [`GET ${REVISION}`]: [200, revision] } as const;

  it("is KServe's where ours has none of the name, and is changed there", async () => {
    const list = { items: [] };
    const pods = { "GET /api/v1/namespaces/default/pods": [200, list] } as const;
    const status = await run({ ...kserve, ...pods }, "status", "iris");
    assert.equal(status.code, 0, status.err);
    const history = await run(kserve, "history", "iris");
    assert.match(history.out, /iris-predictor-00002/);
    const rollback = await run({ ...kserve, [`PATCH ${KSERVE}`]: [200, isvc] }, "rollback", "iris");
    assert.equal(rollback.code, 0, rollback.err);
    assert.deepEqual(rollback.seen.at(-1), `PATCH ${KSERVE}`);
  });

  it("is ours where both have one", async () => {
    const ours = { ...isvc, apiVersion: "pilotlight.dev/v1beta1" };
    const both = { [`GET ${ISVC}`]: [200, ours], [`PATCH ${ISVC}`]: [200, ours] } as const;
    const { seen } = await run({ ...kserve, ...both }, "rollback", "iris");
    assert.deepEqual(seen, [`GET ${ISVC}`, `GET ${REVISION}`, `PATCH ${ISVC}`]);
  });

  it("is none where KServe's group may not be seen", async () => {
    const denied = failure(403, "Forbidden", "no");
    const { code, err } = await run({ [`GET ${KSERVE}`]: denied }, "history", "iris");
    assert.equal(code, 1);
    assert.match(err, /there is no InferenceService iris in default/);
  });

  const refusals: readonly { answer: Answer; code: number; words: RegExp }[] = [
    {
      answer: failure(422, "Invalid", "spec.predictor: minReplicas must not be greater"),
      code: 1,
      words: /^pilotlight rollback: \S+ refuses it: .*minReplicas must not be greater\n$/,
    },
    { answer: failure(500, "InternalError", "etcd"), code: 69, words: /cannot do it now: .*etcd/ },
    { answer: failure(403, "Forbidden", "not you"), code: 77, words: /denies it: .*not you/ },
  ];
  for (const { answer, code, words } of refusals) {
    it(`a write that is answered with ${answer[0]} is code ${code}, in one line`, async () => {
      const ran = await run({ ...kserve, [`PATCH ${KSERVE}`]: answer }, "rollback", "iris");
      assert.equal(ran.code, code, ran.err);
      assert.match(ran.err, words);
    });
  }
});
