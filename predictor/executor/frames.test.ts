import assert from "node:assert/strict";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import * as fc from "fast-check";
import { after, before, describe, it } from "mocha";
import type { Tensor } from "../protocol/tensor.ts";
import { BlockingWire } from "./blocking-wire.ts";
import { encodeFrame, FrameReader, FrameWriter } from "./frames.ts";
import type { Frame, SentFrame } from "./frames.ts";

/** The bytes that frames take on the wire. */
function wire(frames: readonly SentFrame[]): Buffer {
  const stream = new PassThrough({ highWaterMark: 2 ** 30 });
  const soon: (() => void)[] = [];
  const writer = new FrameWriter(stream, { soon: (callback) => soon.push(callback) });
  for (const frame of frames) writer.write(frame);
  for (let turn = soon.shift(); turn !== undefined; turn = soon.shift()) turn();
  return (stream.read() as Buffer | null) ?? Buffer.alloc(0);
}

const tensor: fc.Arbitrary<Tensor> = fc.uint8Array({ maxLength: 40 }).map((bytes) => ({
  name: "ünïcode",
  datatype: "UINT8",
  shape: [bytes.length],
  data: Uint8Array.from(bytes),
}));
const id = fc.nat();
const tensors = fc.array(tensor, { maxLength: 3 });
const outputs = fc.array(fc.string({ unit: "binary" }), { maxLength: 3 });
const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({
    message: fc.record({ type: fc.constant("run" as const), id, session: fc.nat(), outputs }),
    tensors,
  }),
  fc.record({
    message: fc.record({ type: fc.constant("ran" as const), id, ms: fc.double({ noNaN: true }) }),
    tensors,
  }),
  fc.record({
    message: fc.record({ type: fc.constant("run-failed" as const), id, reason: fc.string() }),
    tensors: fc.constant([]),
  }),
);

const plain = ({ message, tensors }: Frame): object => ({
  message: { ...message },
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

  it("are the same whether a tensor lies in one piece or in several", () => {
    for (const size of [10, 70_001]) {
      const data = Uint8Array.from({ length: size }, (_, index) => index % 251);
      const message = { type: "run", id: 1, session: 0, outputs: ["y"] } as const;
      const head = { name: "x", datatype: "UINT8", shape: [size] } as const;
      const pieces = [data.subarray(0, 3), data.subarray(3, 3), data.subarray(3)];
      const one = {
        message,
        tensors: [
          { ...head, data },
          { ...head, data },
        ],
      };
      const several = {
        message,
        tensors: [
          { ...head, data: pieces },
          { ...head, data },
        ],
      };
      const [received] = new FrameReader().push(wire([several]));
      assert.deepEqual(received && plain(received), plain(one));
    }
  });

  it("send large pieces as they lie", () => {
    const pieces = [1, 2].map((value) => new Uint8Array(40_000).fill(value));
    const tensor = { name: "x", datatype: "UINT8", shape: [80_000], data: pieces } as const;
    const chunks = encodeFrame({ message: { type: "ran", id: 1, ms: 1 }, tensors: [tensor] });
    assert.equal(chunks[1], pieces[0]);
    assert.equal(chunks[2], pieces[1]);
  });

  it("leave by a mebibyte a turn, in their order", () => {
    const stream = new PassThrough({ highWaterMark: 2 ** 30 });
    const soon: (() => void)[] = [];
    const writer = new FrameWriter(stream, { soon: (callback) => soon.push(callback) });
    const data = [1, 2].map((value) => new Uint8Array(1_500_000).fill(value));
    const tensor = { name: "x", datatype: "UINT8", shape: [3_000_000], data } as const;
    const sizes: number[] = [];
    const read: Frame[] = [];
    const reader = new FrameReader();
    const collect = (): void => {
      const chunk = (stream.read() as Buffer | null) ?? Buffer.alloc(0);
      sizes.push(chunk.byteLength);
      read.push(...reader.push(chunk));
    };
    writer.write({ message: { type: "run", id: 1, session: 0, outputs: [] }, tensors: [tensor] });
    writer.write({ message: { type: "measure", id: 2 }, tensors: [] });
    collect();
    for (let turn = soon.shift(); turn !== undefined; turn = soon.shift()) {
      turn();
      collect();
    }
    assert.deepEqual(sizes.slice(0, 2), [1_048_576, 1_048_576]);
    assert.equal(sizes.length, 3);
    assert.deepEqual(
      read.map(({ message }) => message.id),
      [1, 2],
    );
    assert.equal(
      Buffer.compare(read[0]?.tensors[0]?.data ?? new Uint8Array(), Buffer.concat(data)),
      0,
    );
  });

  it("carry large tensors, written without a copy", () => {
    const data = Uint8Array.from({ length: 100_001 }, (_, index) => index % 251);
    const large: Tensor = { name: "x", datatype: "UINT8", shape: [data.length], data };
    const sent: Frame = { message: { type: "ran", id: 1, ms: 2.5 }, tensors: [large, large] };
    const [received] = new FrameReader().push(wire([sent]));
    assert(received);
    assert.deepEqual(
      received.tensors.map((each) => Buffer.compare(each.data, data)),
      [0, 0],
    );
  });
});

describe("a wire that blocks", () => {
  let folder = "";
  before(async () => (folder = await mkdtemp(join(tmpdir(), "pilotlight-wire-"))));
  after(async () => rm(folder, { recursive: true }));

  /** Writes frames to a file and reads them back: each before the next read, as the child does. */
  function through(frames: readonly Frame[]): object[] {
    const path = join(folder, "frames");
    const written = openSync(path, "w");
    const writer = new BlockingWire(written);
    for (const each of frames) writer.write(each);
    closeSync(written);
    const reader = new BlockingWire(openSync(path, "r"));
    const read: object[] = [];
    for (let each = reader.read(); each !== undefined; each = reader.read()) {
      for (const { data } of each.tensors) assert.equal(data.byteOffset % 8, 0, "aligned");
      read.push(plain(each));
    }
    return read;
  }

  it("gives frames as they were written, and then nothing", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 5 }), (frames) => {
        assert.deepEqual(through(frames), frames.map(plain));
      }),
    );
  });

  it("takes a large frame between small ones, and goes on when it has given the room back", () => {
    const sized = (length: number, index: number): Frame => {
      const data = new Uint8Array(length).fill(index);
      const x: Tensor = { name: "x", datatype: "UINT8", shape: [length], data };
      return { message: { type: "ran", id: index, ms: 0 }, tensors: [x] };
    };
    const lengths = [3, 200_000, ...Array.from<number>({ length: 80 }).fill(9), 70_000, 5];
    const frames = lengths.map(sized);
    assert.deepEqual(through(frames), frames.map(plain));
  });

  it("gives nothing of a frame that is cut off", () => {
    const path = join(folder, "cut");
    writeFileSync(
      path,
      wire([{ message: { type: "ran", id: 1, ms: 2 }, tensors: [] }]).subarray(1),
    );
    assert.equal(new BlockingWire(openSync(path, "r")).read(), undefined);
  });
});
