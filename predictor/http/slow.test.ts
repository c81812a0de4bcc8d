/** Slow clients: each is cut off in time, and by then has cost nobody else anything. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { RequestListener, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { PassThrough } from "node:stream";
import type { IncomingMessage } from "node:http";
import { afterEach, describe, it } from "mocha";
import { sendJson } from "./answer.ts";
import { readBody } from "./body.ts";
import type { ConnectionLimits } from "./limits.ts";
import { HttpServer } from "./server.ts";
import { Service } from "./service.ts";

const servers: HttpServer[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const each of sockets.splice(0)) each.destroy();
  await Promise.all(servers.splice(0).map(async (each) => each.drain(0)));
});

type Given = Partial<ConnectionLimits> & { readonly requestTimeoutMs?: number };

/** A server whose only route is this one. Resolves with its port. */
async function serve(app: RequestListener, given: Given = {}): Promise<number> {
  const { requestTimeoutMs = 60_000, ...limits } = given;
  const server = new HttpServer({
    service: new Service(),
    requestTimeoutMs,
    answered: () => {},
    inference: { bodyBytesMax: 1_000_000, onFault: () => {} },
    limits,
  });
  server.use(app);
  servers.push(server);
  return server.listen(0, "127.0.0.1");
}

function open(port: number): { socket: Socket; closed: Promise<string> } {
  const socket = connect(port, "127.0.0.1");
  sockets.push(socket);
  let answer = "";
  socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
  socket.on("error", () => {}); // A reset is an end as well.
  return { socket, closed: once(socket, "close").then(() => answer) };
}

/** Sends a byte now and then, as long as someone takes it. */
function trickle(socket: Socket): void {
  const timer = setInterval(() => socket.write("a"), 20);
  socket.once("close", () => clearInterval(timer));
}

const answer: RequestListener = (_, response) => sendJson(response, 200, "{}");
const reading: RequestListener = (request, response) => {
  readBody(request, 1_000_000).then(
    () => sendJson(response, 200, "{}"),
    () => {},
  );
};
const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";

describe("a slow client", () => {
  it("that says nothing is cut off", async () => {
    const { closed } = open(await serve(answer, { stallMs: 100 }));
    assert.equal(await closed, "");
  });

  it("that sends its headers byte by byte gets 408", async () => {
    const { socket, closed } = open(await serve(answer, { headersMs: 200, checkMs: 50 }));
    socket.write("GET / HTTP/1.1\r\nHost: ");
    trickle(socket);
    assert.match(await closed, /^HTTP\/1\.1 408 /);
  });

  it("that sends its body byte by byte gets 408", async () => {
    const limits = { requestTimeoutMs: 100, headersMs: 100, bodyGraceMs: 100, checkMs: 50 };
    const { socket, closed } = open(await serve(reading, limits));
    socket.write(post);
    trickle(socket);
    assert.match(await closed, /^HTTP\/1\.1 408 /);
  });

  it("that stops in the middle of its body is cut off", async () => {
    const { socket, closed } = open(await serve(reading, { stallMs: 100 }));
    socket.write(`${post}half`);
    assert.equal(await closed, "");
  });

  it("that never reads its answer is cut off, whole or streamed", async () => {
    const large = "a".repeat(64 * 1024 * 1024);
    for (const send of [
      (response: ServerResponse) => sendJson(response, 200, JSON.stringify(large)),
      (response: ServerResponse) => void response.writeHead(200).write(large),
    ]) {
      const left = Promise.withResolvers<void>();
      const port = await serve(
        (_, response) => {
          response.once("close", left.resolve);
          send(response);
        },
        { stallMs: 200 },
      );
      const socket = connect(port, "127.0.0.1");
      sockets.push(socket);
      socket.on("error", () => {});
      socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      await left.promise;
    }
  });

  it("is no client that waits for its model", async () => {
    const port = await serve(
      (_, response) => void setTimeout(() => sendJson(response, 200, "{}"), 300),
      { stallMs: 50 },
    );
    assert.equal((await fetch(`http://127.0.0.1:${port}`)).status, 200);
  });
});

describe("connections", () => {
  it("beyond the limit are closed at once, and there is room again when others leave", async () => {
    const port = await serve(answer, { connectionsMax: 2 });
    const [one, two] = [open(port), open(port)];
    for (const { socket } of [one, two]) {
      socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      await once(socket, "data");
    }
    assert.equal(await open(port).closed, "", "the third");
    one.socket.end();
    await one.closed;
    const next = open(port);
    next.socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert.match(await next.closed, /^HTTP\/1\.1 200 /);
    two.socket.destroy();
  });
});

describe("a body in tiny pieces", () => {
  it("is whole, in memory of about its own size", async () => {
    const request = Object.assign(new PassThrough(), { headers: {}, complete: true });
    const body = readBody(request as unknown as IncomingMessage, 1_000_000);
    const sent = Buffer.from(Array.from({ length: 50_000 }, (_, at) => at % 251));
    for (const byte of sent) {
      request.write(Uint8Array.of(byte));
      if (request.writableNeedDrain) await once(request, "drain");
    }
    request.end();
    assert.deepEqual(await body, sent);
  });
});
