/**
 * One port for HTTP/1.1 and for HTTP/2 without TLS: Knative opens a single port per service, and
 * gRPC clients, probes and curl all come to it.
 */
import type { Socket } from "node:net";

/** What an HTTP/2 client sends first. https://www.rfc-editor.org/rfc/rfc9113#section-3.4 */
const preface = Buffer.from("PRI * HTTP/2.0");
/** Whoever says nothing for so long is closed. */
const silenceMs = 10_000;

/** Tells a new connection's protocol by its first bytes, which are read again by who serves it. */
export function splitByPreface(serve: {
  readonly http1: (socket: Socket) => void;
  readonly http2: (socket: Socket) => void;
}): (socket: Socket) => void {
  return (socket) => {
    let seen = Buffer.alloc(0);
    const silent = (): void => void socket.destroy();
    socket.setTimeout(silenceMs, silent);
    const ignore = (): void => {};
    socket.on("error", ignore); // it closes then; who serves it has a listener of its own
    const look = (chunk: Buffer): void => {
      seen = Buffer.concat([seen, chunk]);
      const compared = Math.min(seen.byteLength, preface.byteLength);
      const matches = seen.subarray(0, compared).equals(preface.subarray(0, compared));
      if (matches && compared < preface.byteLength) return;
      socket.off("data", look);
      socket.pause();
      socket.setTimeout(0);
      socket.off("timeout", silent);
      socket.unshift(seen);
      // An HTTP/2 session takes what was read from the paused socket, and only then the rest.
      if (matches) return serve.http2(socket);
      serve.http1(socket);
      socket.resume();
    };
    socket.on("data", look);
  };
}
