/**
 * The images as they are built, on a real Docker engine, locked up the way Kubernetes' restricted
 * profile locks up a pod.
 */
import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";

import { freePort } from "../../hack/free-port.ts";
import { buildImages } from "../../hack/image/build.ts";
import type { BuiltImages } from "../../hack/image/build.ts";
import { canServeS3, startS3Server } from "../../predictor/storage/testing/s3-server.ts";
import { startDocker } from "../support/docker.ts";
import type { Docker } from "../support/docker.ts";
import { startLocked } from "../support/locked-container.ts";
import type { LockedContainer } from "../support/locked-container.ts";

const ROOT = join(import.meta.dirname, "../..");
const IRIS = "file:///opt/pilotlight/examples/iris/model";
const PREPARE_MS_MAX = 600_000;
const BYTES_MAX = 200_000_000;

describe("the images", () => {
  let docker: Docker;
  let images: BuiltImages;
  let scratch: string;

  before(async function () {
    this.timeout(PREPARE_MS_MAX);
    scratch = await mkdtemp(join(tmpdir(), "pilotlight-image-"));
    images = await buildImages(ROOT);
    docker = await startDocker();
    await docker.load(join(ROOT, images.predictor.tar));
    await docker.load(join(ROOT, images.controller.tar));
  });

  after(async function () {
    this.timeout(PREPARE_MS_MAX);
    await docker?.stop();
    await rm(scratch, { recursive: true, force: true });
  });

  /** Starts a predictor on a free port; resolves when its output matches. */
  async function startPredictor(
    environment: Readonly<Record<string, string>>,
    until: RegExp = /"message":"serving"/,
    image = images.predictor.image,
  ): Promise<LockedContainer & { readonly url: string }> {
    const port = await freePort();
    const container = await startLocked(docker, {
      image,
      until,
      environment: { HOST: "127.0.0.1", PORT: String(port), ...environment },
      terminationLog: await makeTerminationLog(),
    });
    return { ...container, url: `http://127.0.0.1:${port}` };
  }

  /** As kubelet makes it: a file of root that anyone may write. */
  async function makeTerminationLog(): Promise<string> {
    const path = join(await mkdtemp(join(scratch, "log-")), "termination-log");
    await writeFile(path, "");
    await chmod(path, 0o666);
    return path;
  }

  it("are named so that Knative asks no registry, belong to a user without rights, and are small", async () => {
    for (const { image } of [images.predictor, images.controller]) {
      assert.match(image, /^dev\.local\/pilotlight\/\w+:\d+\.\d+\.\d+-[0-9a-f]{12}$/);
      const { Config, Size } = await docker.client.getImage(image).inspect();
      assert.equal(Config.User, "10001:10001");
      assert.ok(Size < BYTES_MAX, `${image} has ${Size} bytes`);
    }
  });

  it("predict iris, and end with code 0 soon after SIGTERM", async () => {
    const predictor = await startPredictor({ STORAGE_URI: IRIS });
    await assertClassifies(predictor.url);
    const started = performance.now();
    assert.deepEqual(await predictor.terminate(), { code: 0 });
    assert.ok(performance.now() - started < 10_000);
  });

  const failures: readonly { storageUri: string; code: number; says: RegExp; why: string }[] = [
    {
      storageUri: "file:///opt/pilotlight/predictor.cjs",
      code: 65,
      says: /predictor\.cjs.*\bfailed\b|not.*model/i,
      why: "what is there is no model",
    },
    {
      storageUri: "file:///opt/pilotlight/examples/none",
      code: 66,
      says: /does not exist; check storageUri/,
      why: "nothing is there",
    },
    {
      storageUri: "s3://models/iris/",
      code: 77,
      says: /no credentials; set AWS_ACCESS_KEY_ID/,
      why: "nothing to sign with",
    },
  ];
  for (const { storageUri, code, says, why } of failures) {
    it(`give up with code ${code} and a sentence when ${why}`, async () => {
      const predictor = await startPredictor({ STORAGE_URI: storageUri }, says);
      assert.deepEqual(await predictor.ended(), { code });
      assert.match(await readFile(predictor.terminationLog, "utf8"), says);
    });
  }

  if (canServeS3()) {
    it("download a model to the one place that is writable, and say when they may not", async function () {
      this.timeout(PREPARE_MS_MAX);
      const folder = join(scratch, "s3");
      await mkdir(join(folder, "data/models/iris"), { recursive: true });
      const model = await readFile(join(ROOT, "examples/iris/model/iris.onnx"));
      await writeFile(join(folder, "data/models/iris/model.onnx"), model);
      await using server = await startS3Server(folder);
      const environment = { ...server.environment, STORAGE_URI: "s3://models/iris/" };
      const predictor = await startPredictor(environment);
      await assertClassifies(predictor.url);
      assert.deepEqual(await predictor.terminate(), { code: 0 });
      const refused = await startPredictor(
        { ...environment, AWS_SECRET_ACCESS_KEY: "wrong" },
        /SignatureDoesNotMatch/,
      );
      assert.deepEqual(await refused.ended(), { code: 77 });
    });
  }

  it("say what the controller lacks", async () => {
    const controller = await startLocked(docker, {
      image: images.controller.image,
      until: /PREDICTOR_IMAGE/,
      environment: {},
      terminationLog: await makeTerminationLog(),
    });
    assert.deepEqual(await controller.ended(), { code: 64 });
  });

  it("are built by the Dockerfile, too, on a base that is given", async function () {
    this.timeout(PREPARE_MS_MAX);
    await docker.import(join(ROOT, images.base), "dev.local/base", "test");
    const { GenericContainer } = await import("testcontainers");
    await GenericContainer.fromDockerfile(ROOT)
      .withBuildArgs({ BASE_IMAGE: "dev.local/base:test" })
      .withTarget("predictor")
      .build("dev.local/dockerfile:test", { deleteOnExit: false });
    const predictor = await startPredictor(
      { STORAGE_URI: IRIS },
      undefined,
      "dev.local/dockerfile:test",
    );
    await assertClassifies(predictor.url);
    assert.deepEqual(await predictor.terminate(), { code: 0 });
  });
});

/** Three flowers, one of each class. */
async function assertClassifies(url: string): Promise<void> {
  const body = await readFile(join(ROOT, "examples/iris/request.json"), "utf8");
  const reply = await fetch(`${url}/v2/models/iris/infer`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  const answer = (await reply.json()) as { outputs?: { name: string; data: unknown[] }[] };
  const label = answer.outputs?.find(({ name }) => name === "label");
  assert.deepEqual(label?.data, [0, 1, 2], JSON.stringify(answer));
}
