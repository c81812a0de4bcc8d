/** Other people's clients, as they are installed, against our predictor with real models. */
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { runCommand } from "../../hack/go/command.ts";
import { everyTypeModel, identityModel } from "../../hack/models/fixtures.ts";
import { ensureVenv } from "../../hack/python/venv.ts";
import { irisPath, TestPredictor } from "../../predictor/testing/test-predictor.ts";

const INSTALL_TIMEOUT_MS = 1_800_000;
const token = "let-me-in";

interface Report {
  readonly name: string;
  readonly ok: boolean;
  readonly why?: string;
}

let folder: string;
let predictor: TestPredictor;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "pilotlight-interop-"));
  const models = { iris: irisPath, every: everyTypeModel(), words: identityModel("STRING") };
  for (const [name, model] of Object.entries(models)) {
    await mkdir(join(folder, name));
    const path = join(folder, name, "model.onnx");
    await (typeof model === "string" ? cp(model, path) : writeFile(path, model));
  }
  predictor = await TestPredictor.serving({
    STORAGE_URI: folder,
    MODEL_REPOSITORY: "true",
    MODEL_PRELOAD: "*",
    GRPC_PORT: "0",
    ADMIN_PORT: "0",
    ADMIN_TOKEN: token,
  });
  await predictor.logged("gRPC listening");
});
after(async () => {
  await predictor[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

function loggedPort(name: "grpcPort" | "adminPort"): number {
  const ports = predictor.log.map((line) => (line as Record<string, unknown>)[name]);
  return Number(ports.find((port) => port !== undefined));
}

/** Runs the client's checks; a report for each. */
async function reportsOf(venv: string, program: string): Promise<Report[]> {
  const python = await ensureVenv({ name: venv });
  const given = {
    http: `127.0.0.1:${predictor.port}`,
    grpc: `127.0.0.1:${loggedPort("grpcPort")}`,
    admin: `127.0.0.1:${loggedPort("adminPort")}`,
    token,
  };
  const args = [join(import.meta.dirname, program), JSON.stringify(given)];
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1" };
  const { stdout } = await runCommand(python, args, { env });
  const lines = stdout.split("\n").filter((line) => line.startsWith('{"name"'));
  return lines.map((line) => JSON.parse(line) as Report);
}

const clients = [
  { venv: "tritonclient", program: "triton_client.py", checks: 20 },
  { venv: "kserve", program: "kserve_client.py", checks: 7 },
];
for (const { venv, program, checks } of clients) {
  describe(`the clients of ${venv}`, () => {
    it(`pass ${checks} checks`, async () => {
      const reports = await reportsOf(venv, program);
      const failed = reports.filter(({ ok }) => !ok);
      assert.deepEqual(failed, [], failed.map(({ name, why }) => `${name}: ${why}`).join("\n"));
      assert.equal(reports.length, checks);
    }).timeout(INSTALL_TIMEOUT_MS);
  });
}
