import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { irisPath, TestPredictor } from "../../predictor/testing/test-predictor.ts";

/** Takes PUTs, each only once it's let through. */
class Storage {
  readonly objects = new Map<string, unknown>();
  readonly server: Server;
  gate: Promise<void> = Promise.resolve();
  #seen: (() => void)[] = [];

  constructor() {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        void this.gate.then(() => {
          this.objects.set(request.url ?? "", JSON.parse(Buffer.concat(chunks).toString()));
          for (const seen of this.#seen.splice(0)) seen();
          response.end();
        });
      });
    });
  }

  async holds(path: string): Promise<unknown> {
    while (!this.objects.has(path)) await new Promise<void>((seen) => this.#seen.push(seen));
    return this.objects.get(path);
  }
}

describe("examples/hooks", () => {
  const storage = new Storage();
  let folder = "";
  let predictor: TestPredictor;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pilotlight-hooks-"));
    const database = new DatabaseSync(join(folder, "flowers.db"));
    database.exec(`
      CREATE TABLE flowers (id INTEGER PRIMARY KEY, sepal_length REAL, sepal_width REAL,
        petal_length REAL, petal_width REAL);
      INSERT INTO flowers VALUES (1, 5.1, 3.5, 1.4, 0.2), (2, 6.3, 3.3, 6.0, 2.5)`);
    database.close();
    storage.server.listen(0, "127.0.0.1");
    await once(storage.server, "listening");
    const { port } = storage.server.address() as AddressInfo;
    predictor = await TestPredictor.serving({
      STORAGE_URI: irisPath,
      MODEL_NAME: "iris",
      LOG_LEVEL: "info",
      HANDLER: join(import.meta.dirname, "handler.ts"),
      FLOWERS_DB: join(folder, "flowers.db"),
      AUDIT_URL: `http://127.0.0.1:${port}`,
    });
  });
  after(async () => {
    await predictor[Symbol.asyncDispose]();
    storage.server.closeAllConnections();
    storage.server.close();
    await rm(folder, { recursive: true });
  });
  const ask = async (id: string, ...flowers: number[]) =>
    predictor.post(
      "/v1/models/iris:predict",
      { instances: flowers.map((flower) => ({ flower })) },
      { headers: { "x-request-id": id } },
    );

  it("looks up before, names after, and uploads when the client has its answer", async () => {
    const gate = Promise.withResolvers<void>();
    storage.gate = gate.promise;
    const { status, json } = await ask("one", 1, 2);
    assert.equal(status, 200);
    const expected = [
      { flower: 1, is: "setosa" },
      { flower: 2, is: "virginica" },
    ];
    assert.deepEqual(json, { flowers: expected });
    assert(!storage.objects.has("/one.json"), "the answer didn't wait for the upload");
    gate.resolve();
    const record = (await storage.holds("/one.json")) as Record<string, unknown>;
    assert.deepEqual(record["asked"], { instances: [{ flower: 1 }, { flower: 2 }] });
    assert.deepEqual(record["answered"], json);
    assert.equal(record["model"], "iris/1");
  });

  it("makes what it can't find the client's fault, and records that as well", async () => {
    const { status, json } = await ask("two", 7);
    assert.deepEqual([status, json], [404, { error: "there is no flower 7" }]);
    const record = (await storage.holds("/two.json")) as Record<string, unknown>;
    assert.equal(record["status"], 404);
  });

  it("finishes its uploads when the predictor ends", async () => {
    const gate = Promise.withResolvers<void>();
    storage.gate = gate.promise;
    await Promise.all(["three", "four"].map(async (id) => ask(id, 1)));
    predictor.signal("SIGTERM");
    await predictor.logged("draining");
    gate.resolve();
    assert.equal(await predictor.exited, 0);
    assert(storage.objects.has("/three.json"));
    assert(storage.objects.has("/four.json"));
  });
});
