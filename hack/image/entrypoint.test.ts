import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "mocha";

import { programOf } from "../bundle/programs.ts";
import { entrypointOf } from "./build.ts";

const root = join(import.meta.dirname, "../..");

/** Of a stage of the Dockerfile that holds this folder: its own ENV lines, not its base's. */
async function environment(folder: string): Promise<Record<string, string>> {
  const text = await readFile(join(root, "Dockerfile"), "utf8");
  const stage = text.split(/^FROM /m).find((each) => each.includes(folder)) ?? "";
  const words = [...stage.matchAll(/^ENV (.+)$/gm)].flatMap(([, line = ""]) => line.split(" "));
  return Object.fromEntries(words.map((word) => word.split("=", 2)));
}

async function entrypoints(file: string): Promise<unknown[]> {
  const text = await readFile(join(root, file), "utf8");
  return [...text.matchAll(/^ENTRYPOINT (.+)$/gm)].map(([, words = ""]) => JSON.parse(words));
}

describe("entrypointOf", () => {
  it("is what the Dockerfiles have, flags of Node included", async () => {
    const [controller, predictor] = [entrypointOf("controller"), entrypointOf("predictor")];
    assert.deepEqual(await entrypoints("Dockerfile"), [controller, predictor]);
    assert.deepEqual(await entrypoints("Dockerfile.cuda"), [predictor]);
  });

  it("runs in the environment that the Dockerfile gives the controller", async () => {
    const { environment: wanted } = programOf("controller.cjs");
    assert.deepEqual(await environment("build/app/controller/"), wanted);
  });
});
