/**
 * Cuts off calls whose client is too slow. grpc-js has no limits of this kind and keeps its streams
 * to itself; Node tells of each stream of HTTP/2 on a channel of its own.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { constants } from "node:http2";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";

export type StreamLimits = {
  /** For a whole request. A stream of requests may last. */
  readonly receiveMs: number;
  /** A request or an answer of which nothing moves for so long is cut off. */
  readonly stallMs: number;
};

const channel = "http2.server.stream.created";

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
