import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { ensureVenv, requirementsPath } from "./venv.ts";

describe("the pinned requirements", () => {
  it("are pinned, all of them, with one onnxruntime for all servers", async () => {
    const folder = join(requirementsPath("x"), "..");
    for (const file of await readdir(folder)) {
      const lines = (await readFile(join(folder, file), "utf8")).trim().split("\n");
      for (const line of lines) assert.match(line, /^[\w.-]+==[\w.]+$/, `${file}: ${line}`);
      // That of the tasks' fixtures only exports models, with the versions that fit its transformers.
      if (file === "transformers.txt") continue;
      const runtime = lines.find((line) => line.startsWith("onnxruntime=="));
      if (runtime !== undefined) assert.equal(runtime, "onnxruntime==1.30.0", file);
    }
  });
});

describe("an environment", function environments() {
  let folder: string;
  const said: string[] = [];
  const progress = {
    say: (line: string) => void said.push(line),
    step: async <T>(title: string, work: () => Promise<T>): Promise<T> => {
      said.push(title);
      return work();
    },
  };
  before(async () => (folder = await mkdtemp(join(tmpdir(), "pilotlight-venv-"))));
  after(async () => rm(folder, { recursive: true, force: true }));

  it("is made once, and again for other requirements", async () => {
    const make = async (requirements: string): Promise<string> =>
      ensureVenv({ name: "empty", requirements, progress, folder });
    const [first, second] = await Promise.all([make("# none\n"), make("# none\n")]);
    assert.equal(first, second);
    assert.equal(said.filter((line) => line.startsWith("making")).length, 1);
    assert.notEqual(await make("# none either\n"), first);
  }).timeout(120_000);

  it("that could not be made is no environment the next time either", async () => {
    const options = { name: "broken", requirements: "not a requirement", progress, folder };
    await assert.rejects(ensureVenv(options), /Invalid requirement/i);
    await assert.rejects(ensureVenv(options), /Invalid requirement/i);
  }).timeout(120_000);
});
