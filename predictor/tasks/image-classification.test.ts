import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "mocha";
import { PNG } from "pngjs";
import { fixtures, openLocalTask } from "./testing/local-task.ts";

describe("many pictures in one request", () => {
  it("are decoded one after the other: never more than one lies there as pixels", async () => {
    const path = join(fixtures, "image-classification/onnx/model.onnx");
    const { task, context } = await openLocalTask("image-classification", path);
    const image = new Uint8Array(PNG.sync.write(new PNG({ width: 300, height: 300 })));
    const read = PNG.sync.read.bind(PNG.sync);
    let decoded = 0;
    let ahead = 0;
    PNG.sync.read = (...given) => {
      decoded++;
      return read(...given);
    };
    try {
      let prepared = 0;
      await Promise.all(
        Array.from({ length: 6 }, async () => {
          const own = context();
          const run: typeof own.run = async (...given) => {
            ahead = Math.max(ahead, decoded - prepared++);
            return own.run(...given);
          };
          return task.answer({ image }, {}, { ...own, run });
        }),
      );
    } finally {
      PNG.sync.read = read;
    }
    assert.equal(decoded, 6);
    assert(ahead <= 2, `${ahead} pictures were decoded before one of them was prepared`);
  });
});
