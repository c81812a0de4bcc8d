/** Request bodies: raw, whatever their Content-Type, bounded before and after decompression. */
import type { IncomingMessage } from "node:http";
import type { Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { ServingError, invalid } from "../errors.ts";
import { BodyBuffer } from "./body-buffer.ts";
import type { Body } from "./body-buffer.ts";
import { Turns } from "./turns.ts";

const decoders: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

const turns = new Turns();

/**
 * The whole body, decompressed. Rejects with ServingError `too-large` (also for what would only
 * become too large), `unsupported-encoding`, `invalid` for broken compression, or `gone`.
 */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Body> {
  if (Number(request.headers["content-length"]) > bytesMax) throw tooLarge(bytesMax);
  const encoding = request.headers["content-encoding"]?.toLowerCase() ?? "identity";
  if (encoding === "identity") return collect(request, request, bytesMax);
  const decoder = Object.hasOwn(decoders, encoding) ? decoders[encoding]?.() : undefined;
  if (decoder === undefined) {
    const known = "gzip, deflate, br";
    throw new ServingError("unsupported-encoding", `Content-Encoding must be one of ${known}`);
  }
  try {
    return await collect(request, request.pipe(decoder), bytesMax);
  } finally {
    request.unpipe(decoder);
    decoder.destroy();
  }
}

function tooLarge(bytesMax: number): ServingError {
  return new ServingError("too-large", `the body is larger than ${bytesMax} bytes`);
}

async function collect(
  request: IncomingMessage,
  source: IncomingMessage | Transform,
  bytesMax: number,
): Promise<Body> {
  const { promise, resolve, reject } = Promise.withResolvers<Body>();
  const announced = request === source ? Number(request.headers["content-length"]) : Number.NaN;
  const body = new BodyBuffer(announced);
  const reading = turns.reading(source);
  const take = (chunk: Body): void => {
    if (body.byteLength + chunk.byteLength <= bytesMax) {
      body.add(chunk);
      reading.read(body.byteLength);
      return;
    }
    body.clear();
    reading.end();
    source.off("data", take).pause();
    reject(tooLarge(bytesMax));
  };
  source.on("data", take);
  source.once("end", () => reading.end(() => resolve(body.whole())));
  source.once("error", () => {
    reading.end();
    reject(invalid("the body's compression is broken or cut short"));
  });
  if (request !== source) request.once("error", () => source.destroy());
  request.once("close", () => {
    if (request.complete) return; // what is compressed may end later
    reading.end();
    reject(new ServingError("gone", "the client left"));
  });
  return promise;
}
