import { DecodeError } from "./errors.ts";

export type Chunks = AsyncIterable<Uint8Array>;

/**
 * Reads a whole body as text. Throws DecodeError beyond `bytesMax`: no answer may exhaust our
 * memory.
 */
export async function readText(chunks: Chunks, bytesMax: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new DecodeError(`the answer is larger than ${bytesMax} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString("utf8");
}

/**
 * One JSON value per line, as a watch sends them. A line that is no JSON, that is longer than
 * `lineBytesMax`, or that the end of the stream cut off is a DecodeError: dropping it would lose an
 * event without a trace.
 */
export async function* jsonLines(chunks: Chunks, lineBytesMax: number): AsyncGenerator {
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      const line = Buffer.concat([...rest, chunk.subarray(from, at)]);
      rest = [];
      restBytes = 0;
      from = at + 1;
      if (line.byteLength > lineBytesMax) throw tooLong(lineBytesMax);
      if (line.byteLength > 0) yield parseJson(line.toString("utf8"));
    }
    rest.push(chunk.subarray(from));
    restBytes += chunk.byteLength - from;
    if (restBytes > lineBytesMax) throw tooLong(lineBytesMax);
  }
  if (restBytes > 0)
    throw new DecodeError(`the stream ended within a line, after ${restBytes} bytes`);
}

/** JSON.parse with an error of our own type. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const start = JSON.stringify(text.slice(0, 80));
    throw new DecodeError(`not JSON, although the API promises it: ${start}`, { cause });
  }
}

function tooLong(lineBytesMax: number): DecodeError {
  return new DecodeError(`one line of the stream is longer than ${lineBytesMax} bytes`);
}
