import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import type { Tensor } from "../protocol/tensor.ts";
import { FrameReader, writeFrame } from "./frames.ts";
import type { Frame } from "./frames.ts";

/** The bytes that frames take on the wire. */
function wire(frames: readonly Frame[]): Buffer {
  const stream = new PassThrough({ highWaterMark: 2 ** 30 });
  for (const frame of frames) writeFrame(stream, frame);
  return (stream.read() as Buffer | null) ?? Buffer.alloc(0);
}

const tensor: fc.Arbitrary<Tensor> = fc.uint8Array({ maxLength: 40 }).map((bytes) => ({
  name: "ünïcode",
  datatype: "UINT8",
  shape: [bytes.length],
  data: Uint8Array.from(bytes),
}));
const frame: fc.Arbitrary<Frame> = fc.record({
  message: fc.nat().map((id) => ({ type: "run", id, session: 0, outputs: ["y"] }) as const),
  tensors: fc.array(tensor, { maxLength: 3 }),
});

const plain = ({ message, tensors }: Frame): object => ({
  message,
  tensors: tensors.map((each) => ({ ...each, data: [...each.data] })),
});

describe("frames", () => {
  it("come out as they went in, however the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        (frames, cuts) => {
          const bytes = wire(frames);
          const reader = new FrameReader();
          const read: Frame[] = [];
          for (let at = 0, turn = 0; at < bytes.byteLength; turn++) {
            const end = at + (cuts[turn % cuts.length] ?? 1);
            read.push(...reader.push(bytes.subarray(at, end)));
            at = end;
          }
          assert.deepEqual(read.map(plain), frames.map(plain));
        },
      ),
    );
  });

  it("carry large tensors, written without a copy", () => {
    const data = Uint8Array.from({ length: 100_001 }, (_, index) => index % 251);
    const large: Tensor = { name: "x", datatype: "UINT8", shape: [data.length], data };
    const sent: Frame = { message: { type: "ran", id: 1, ms: 2 }, tensors: [large, large] };
    const [received] = new FrameReader().push(wire([sent]));
    assert(received);
    assert.deepEqual(
      received.tensors.map((each) => Buffer.compare(each.data, data)),
      [0, 0],
    );
  });
});
