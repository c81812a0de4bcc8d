/**
 * Cuts off calls whose client is too slow. grpc-js has no limits of this kind and keeps its streams
 * to itself; Node tells of each stream of HTTP/2 on a channel of its own.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { constants } from "node:http2";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";

export type StreamLimits = {
  /** For a whole request; a stream of requests may last, each of them may not. */
  readonly receiveMs: number;
  /** A request or an answer of which nothing moves for so long is cut off. */
  readonly stallMs: number;
};

const channel = "http2.server.stream.created";
/** Before each message. */
const headBytes = 5;
const lingerMs = 1000;

/** Guards the calls of this process from now on. What it returns ends that. */
export function guardStreams(limits: StreamLimits, isStreaming: (path: string) => boolean) {
  const created = (message: unknown): void => {
    const { stream, headers } = message as {
      stream: ServerHttp2Stream;
      headers: IncomingHttpHeaders;
    };
    guard(stream, limits, isStreaming(headers[":path"] ?? ""));
  };
  subscribe(channel, created);
  return (): void => void unsubscribe(channel, created);
}

function guard(
  stream: ServerHttp2Stream,
  { receiveMs, stallMs }: StreamLimits,
  streaming: boolean,
): void {
  const cancel = (): void => stream.close(constants.NGHTTP2_CANCEL);
  if (!streaming) {
    const timer = setTimeout(cancel, receiveMs).unref();
    for (const event of ["end", "close"]) stream.once(event, () => clearTimeout(timer));
  }
  // It is armed again by whatever moves. While the model runs, nothing has to.
  stream.setTimeout(stallMs);
  stream.on("timeout", () => {
    const coming = !streaming && !stream.readableEnded;
    if (coming || stream.writableLength > 0) cancel();
  });
}

/** Where messages lie in what comes: a byte, four of a length, and so many of the message. */
class Frames {
  #headBytes = 0;
  #left = 0;

  /** A message has begun, and not ended. */
  get within(): boolean {
    return this.#headBytes > 0;
  }

  /** Whether a message ends in these bytes, which are the next ones. */
  take(bytes: Uint8Array): boolean {
    let ended = false;
    for (let at = 0; at < bytes.byteLength;) {
      if (this.#headBytes === headBytes) {
        const taken = Math.min(this.#left, bytes.byteLength - at);
        this.#left -= taken;
        at += taken;
      } else {
        const byte = bytes[at++] ?? 0;
        if (this.#headBytes++ > 0) this.#left = this.#left * 256 + byte;
      }
      if (this.#headBytes < headBytes || this.#left > 0) continue;
      ended = true;
      this.#headBytes = 0;
    }
    return ended;
  }
}

/**
 * Tells when a message of a stream is not whole so long after its first byte. While nobody reads
 * the stream, that is not the client's fault.
 */
export function guardMessages(stream: ServerHttp2Stream, limitMs: number, late: () => void): void {
  const frames = new Frames();
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => clearTimeout(timer);
  const arm = (): void => {
    timer = setTimeout(() => (stream.isPaused() ? arm() : late()), limitMs).unref();
  };
  stream.on("data", (bytes: Buffer) => {
    const before = frames.within;
    const ended = frames.take(bytes);
    if (before && !ended) return;
    stop();
    if (frames.within) arm();
  });
  for (const event of ["end", "close"]) stream.once(event, stop);
}

/** After its status a call may linger so long: whoever goes on sending is cut off. */
export function endSoon(stream: ServerHttp2Stream): void {
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), lingerMs).unref();
  stream.once("close", () => clearTimeout(timer));
}
