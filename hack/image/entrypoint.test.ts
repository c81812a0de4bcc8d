import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "mocha";

import { entrypointOf } from "./build.ts";

const root = join(import.meta.dirname, "../..");

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
});
