import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, it } from "mocha";
import { Turns } from "./turns.ts";

const chunkBytes = 65_536;

/** Bodies of ten chunks each, whose readers note how many have come. */
function start(count: number) {
  const waiting: (() => void)[] = [];
  const turns = new Turns({ soon: (callback) => waiting.push(callback) });
  const bodies = Array.from({ length: count }, () => {
    const source = new PassThrough({ highWaterMark: 20 * chunkBytes });
    for (let chunk = 0; chunk < 10; chunk++) source.write(Buffer.alloc(chunkBytes));
    const reading = turns.reading(source);
    const body = { source, reading, chunks: 0 };
    source.on("data", () => reading.read(++body.chunks * chunkBytes));
    return body;
  });
  /** What can be read has been read. */
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const turn = async (): Promise<void> => {
    for (const callback of waiting.splice(0)) callback();
    await settled();
  };
  return { bodies, turn, settled, chunks: () => bodies.map((body) => body.chunks) };
}

describe("large bodies", () => {
  it("are read at once when there is one", async () => {
    const { settled, chunks } = start(1);
    await settled();
    assert.deepEqual(chunks(), [10]);
  });

  it("take turns when there are several, from where they are large", async () => {
    const { turn, settled, chunks } = start(3);
    await settled();
    const first = chunks();
    // Nobody knows of a second large one when the first is read.
    assert.deepEqual(first.slice(1), [3, 3]);
    await turn();
    assert.deepEqual(chunks().slice(1), [4, 4]);
    await turn();
    assert.deepEqual(chunks().slice(1), [5, 5]);
  });

  it("that is alone again is read to its end", async () => {
    const { bodies, turn, settled, chunks } = start(2);
    await settled();
    bodies[0]?.reading.end();
    await turn();
    assert.deepEqual(chunks()[1], 10);
  });

  it("that are complete are handed on one a turn", async () => {
    const { bodies, turn, settled } = start(4);
    await settled();
    const done: number[] = [];
    for (const index of [1, 2, 3]) bodies[index]?.reading.end(() => done.push(index));
    assert.deepEqual(done, [1]);
    await turn();
    assert.deepEqual(done, [1, 2]);
    await turn();
    assert.deepEqual(done, [1, 2, 3]);
  });

  it("that nobody wants any more stays where it is", async () => {
    const { bodies, turn, settled, chunks } = start(3);
    await settled();
    bodies[1]?.reading.end();
    bodies[1]?.reading.end();
    await turn();
    assert.deepEqual(chunks().slice(1), [3, 4]);
  });
});
