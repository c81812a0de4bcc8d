/** `pilotlight serve` with a model in a real store: Azurite, which checks signatures. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { CliProcess } from "../controller/cli/serve/testing/cli-process.ts";
import { startAzurite } from "../predictor/repository/testing/azurite.ts";
import type { TestStore } from "../predictor/repository/testing/store-suite.ts";

const EXAMPLE = join(import.meta.dirname, "../examples/iris");

describe("pilotlight serve with a model in Azure Blob Storage", function () {
  // Programs are started, and the machine may be busy with other things.
  this.timeout(60_000);

  let folder: string;
  let store: TestStore;

  before(async function () {
    // The first run on a machine installs the server.
    this.timeout(900_000);
    folder = await mkdtemp(join(tmpdir(), "pilotlight-serve-storage-"));
    store = await startAzurite(folder);
    await store.put("iris/iris.onnx", await readFile(join(EXAMPLE, "model/iris.onnx")));
  });

  after(async () => {
    await store[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  /** Serves the URI; the store's settings are in the program's own environment, as a user's are. */
  function serve(uri: string, environment: Readonly<Record<string, string>> = {}): CliProcess {
    const given = Object.entries({ ...store.environment, ...environment });
    const known = given.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
    const env = { TMPDIR: folder, ...(Object.fromEntries(known) as Record<string, string>) };
    return new CliProcess(["serve", uri, "--port", "0", "--log-format", "json"], env);
  }

  async function infer(url: string, model: string): Promise<Response> {
    const body = await readFile(join(EXAMPLE, "request.json"));
    return await fetch(`${url}/v2/models/${model}/infer`, { method: "POST", body });
  }

  it("fetches it with the user's credentials, and answers", async () => {
    await using cli = serve(store.uri("iris/"));
    const { url } = await cli.next("listening");
    const response = await infer(url, "iris");
    const text = await response.text();
    assert.equal(response.status, 200, text);
    const { outputs } = JSON.parse(text) as { outputs: { name: string; data: number[] }[] };
    assert.deepEqual(outputs.find(({ name }) => name === "label")?.data, [0, 1, 2]);
  });

  const wrong = Buffer.from("another key").toString("base64");
  const troubles: {
    why: string;
    path: string;
    environment?: Readonly<Record<string, string>>;
    reason: string;
    words: RegExp;
  }[] = [
    {
      why: "nothing is there",
      path: "absent.onnx",
      reason: "ModelNotFound",
      words: /az:\/\/models\/absent\.onnx.*\(exit code 66\)$/,
    },
    {
      why: "there are no credentials",
      path: "iris.onnx",
      environment: { AZURE_STORAGE_KEY: "" },
      reason: "StorageAccessDenied",
      words: /give credentials \(AZURE_STORAGE_KEY and others\).*\(exit code 77\)$/,
    },
    {
      why: "the key is wrong",
      path: "iris.onnx",
      environment: { AZURE_STORAGE_KEY: wrong },
      reason: "StorageAccessDenied",
      words: /az:\/\/models\/iris\.onnx.*\(exit code 77\)$/,
    },
    {
      why: "nobody said which account",
      path: "iris.onnx",
      environment: { AZURE_STORAGE_ACCOUNT: "", AZURE_STORAGE_BLOB_ENDPOINT: "" },
      reason: "InvalidConfiguration",
      words: /which account\? Set AZURE_STORAGE_ACCOUNT.*\(exit code 64\)$/,
    },
  ];
  for (const { why, path, environment, reason, words } of troubles) {
    it(`says ${reason} when ${why}, as the predictor does`, async () => {
      await using cli = serve(store.uri(path), environment);
      const { url } = await cli.next("listening");
      const response = await infer(url, path.replace(/\.onnx$/, ""));
      assert.equal(response.status, 503);
      const crash = await cli.next("crashed");
      assert.equal(crash.reason, reason, crash.message);
      assert.match(crash.message, words);
      const { error } = (await response.json()) as { error: string };
      assert.equal(
        error,
        `the predictor of ${path.replace(/\.onnx$/, "")} does not run: ${reason}: ${crash.message}`,
      );
    });
  }
});
