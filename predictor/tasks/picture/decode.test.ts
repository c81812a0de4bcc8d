import assert from "node:assert/strict";
import { deflateSync } from "node:zlib";
import { describe, it } from "mocha";
import { PNG } from "pngjs";
import { decodePicture } from "./decode.ts";

function chunk(type: string, data: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.byteLength);
  // Nobody checks the sum of a picture that is refused before.
  return Buffer.concat([length, Buffer.from(type), data, Buffer.alloc(4)]);
}

function png(width: number, height: number, pixels: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);
  const end = chunk("IEND", new Uint8Array());
  return new Uint8Array(
    Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", deflateSync(pixels)), end]),
  );
}

describe("pictures", () => {
  it("of more than 25 megapixels are refused before they are decoded", async () => {
    await assert.rejects(decodePicture(png(5001, 5000, new Uint8Array())), {
      code: "invalid",
      message: /5001×5000 pixels, more than 25000000/,
    });
  });

  it("whose bytes can't hold their pixels are refused before they are decoded", async () => {
    const read = PNG.sync.read.bind(PNG.sync);
    let decoded = 0;
    PNG.sync.read = (...given) => {
      decoded++;
      return read(...given);
    };
    try {
      await assert.rejects(decodePicture(png(5000, 5000, new Uint8Array(100))), {
        code: "invalid",
        message: /broken or cut short/,
      });
    } finally {
      PNG.sync.read = read;
    }
    assert.equal(decoded, 0);
  });

  it("lose what is transparent, and nothing else", async () => {
    const picture = new PNG({ width: 2, height: 1 });
    picture.data.set([1, 2, 3, 4, 5, 6, 7, 8]);
    const { width, height, data } = await decodePicture(new Uint8Array(PNG.sync.write(picture)));
    assert.deepEqual([width, height, ...data], [2, 1, 1, 2, 3, 5, 6, 7]);
  });
});
