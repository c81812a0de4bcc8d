/** Slow gRPC clients: each is cut off in time, and by then has cost nobody else anything. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { connect as connectTcp } from "node:net";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, it } from "mocha";
import type { Service } from "../http/service.ts";
import { methods } from "../protocol/grpc-messages.ts";
import { encodeMessage } from "../protocol/protobuf.ts";
import { GrpcServer } from "./server.ts";
import type { GrpcServerOptions } from "./server.ts";

const CANCEL = 8;
const opened: { destroy(): void }[] = [];
const servers: GrpcServer[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) each.destroy();
  await Promise.all(servers.splice(0).map(async (each) => each.drain(0)));
});

type Asked = { count: number };
type Given = Pick<GrpcServerOptions, "limits"> & {
  readonly connectionsMax?: number;
  /** Of each answer. */
  readonly bytes?: number;
};

/** A server with a model that answers at once; `asked` counts. */
async function serve({ limits = {}, connectionsMax = 100, bytes = 4 }: Given) {
  const asked: Asked = { count: 0 };
  const data = new Uint8Array(bytes);
  const version = {
    version: "1",
    metrics: { succeeded: () => {}, failed: () => {} },
    asked: () => {},
    signatures: { graph: { inputs: [], outputs: [] } },
    submit: () => {
      asked.count++;
      const outputs = [{ name: "y", datatype: "UINT8", shape: [bytes], data }];
      return { result: Promise.resolve({ outputs }), cancel: () => {} };
    },
  };
  const model = { name: "m", version: async () => Promise.resolve(version) };
  const server = new GrpcServer({
    service: { modelNamed: () => model } as unknown as Service,
    version: "0",
    bodyBytesMax: 1_000_000,
    connectionsMax,
    requestTimeoutMs: 60_000,
    onFault: (fault) => assert.fail(fault),
    limits,
  });
  servers.push(server);
  return { port: await server.listen(0, "127.0.0.1"), asked };
}

function openSession(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  opened.push(session);
  return session;
}

function call(session: ClientHttp2Session, method: string): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": `/inference.GRPCInferenceService/${method}`,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  return stream;
}

/** A ModelInferRequest as gRPC frames it. */
function framed(): Buffer {
  const message = Buffer.concat(encodeMessage(methods.ModelInfer.request, { model_name: "m" }));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}

/** A call that is cut off once its message is late. */
function slow(session: ClientHttp2Session): ClientHttp2Stream {
  const stream = call(session, "ModelInfer");
  stream.write(Uint8Array.of(0));
  return stream;
}

async function cancelled(stream: ClientHttp2Stream): Promise<void> {
  await once(stream, "close");
  assert.equal(stream.rstCode, CANCEL);
}

describe("a slow gRPC client", () => {
  it("that sends no message is cut off, and its connection serves on", async () => {
    const { port } = await serve({ limits: { stallMs: 100 } });
    const session = openSession(port);
    await cancelled(call(session, "ModelInfer"));
    const next = call(session, "ModelInfer");
    next.end(framed());
    const [headers] = (await once(next, "response")) as [{ ":status": number }];
    assert.equal(headers[":status"], 200);
    next.resume();
    await once(next, "close");
    assert.equal(next.rstCode, 0);
  });

  it("that sends its message byte by byte is cut off", async () => {
    const { port } = await serve({ limits: { receiveMs: 300 } });
    const stream = call(openSession(port), "ModelInfer");
    // A message of the size that it announces.
    stream.write(Uint8Array.of(0, 0, 0, 255, 255));
    const timer = setInterval(() => stream.write("a"), 20);
    await cancelled(stream);
    clearInterval(timer);
  });

  it("that sends a message of a stream byte by byte is told, after the answers it has earned", async () => {
    const { port, asked } = await serve({ limits: { receiveMs: 300 } });
    const session = openSession(port);
    const [idle, stream] = [call(session, "ModelStreamInfer"), call(session, "ModelStreamInfer")];
    idle.write(framed());
    await once(idle, "response");
    let bytes = 0;
    stream.on("data", (chunk: Buffer) => (bytes += chunk.byteLength));
    // One message, and the beginning of another one.
    stream.write(Buffer.concat([framed(), Uint8Array.of(0, 0, 0, 255, 255)]));
    const timer = setInterval(() => stream.write("a"), 20);
    const [trailers] = (await once(stream, "trailers")) as [Record<string, string>];
    assert.equal(Number(trailers["grpc-status"]), status.DEADLINE_EXCEEDED);
    const says = decodeURI(String(trailers["grpc-message"]));
    assert.equal(says, "a message was not whole 0.3 s after its first byte");
    assert.equal(asked.count, 2);
    assert(bytes > 0);
    await once(stream, "close"); // Although it goes on sending.
    clearInterval(timer);
    // Between messages a stream may take its time.
    idle.end(framed());
    idle.resume();
    await once(idle, "close");
    assert.deepEqual([asked.count, idle.rstCode], [3, 0]);
  });

  it("that begins a stream so is told at once in the head of the answer", async () => {
    const { port } = await serve({ limits: { receiveMs: 100 } });
    const stream = call(openSession(port), "ModelStreamInfer");
    stream.write(Uint8Array.of(0, 0));
    const [headers] = (await once(stream, "response")) as [Record<string, string>];
    assert.equal(Number(headers["grpc-status"]), status.DEADLINE_EXCEEDED);
    stream.resume();
    await once(stream, "close");
  });

  it("is not one whose messages come in any pieces, while each is whole in time", async () => {
    const { port, asked } = await serve({ limits: { receiveMs: 400 } });
    const stream = call(openSession(port), "ModelStreamInfer");
    const sent = Buffer.concat(Array.from({ length: 3 }, framed));
    for (const size of [1, 2, 3, 5, 7, 11, 13]) {
      for (let at = 0; at < sent.length; at += size) {
        // One frame of HTTP/2 each: what is written in one turn goes as one.
        await new Promise((resolve) => stream.write(sent.subarray(at, at + size), resolve));
      }
    }
    const ended = once(stream, "trailers");
    let answers = 0;
    stream.on("data", () => answers++);
    // It lasts longer than a message may, with nothing half sent.
    await cancelled(slow(openSession(port)));
    stream.end();
    const [trailers] = (await ended) as [Record<string, string>];
    assert.deepEqual([asked.count, Number(trailers["grpc-status"])], [21, status.OK]);
    assert(answers > 0);
  });

  it("is not one whose message waits for the server to read on", async () => {
    const { port, asked } = await serve({ limits: { receiveMs: 200 }, bytes: 16 * 1024 });
    const stream = call(openSession(port), "ModelStreamInfer");
    stream.pause();
    const sent = Buffer.concat(Array.from({ length: 200 }, framed));
    stream.write(sent.subarray(0, -4));
    await cancelled(slow(openSession(port)));
    stream.end(sent.subarray(-4));
    await cancelled(slow(openSession(port)));
    assert(asked.count < 200, "all is read");
    stream.resume();
    const [trailers] = (await once(stream, "trailers")) as [Record<string, string>];
    assert.deepEqual([asked.count, Number(trailers["grpc-status"])], [200, status.OK]);
  });

  for (const method of ["ModelInfer", "ModelStreamInfer"]) {
    it(`that never reads its answer to ${method} is cut off`, async () => {
      const { port } = await serve({ limits: { stallMs: 200 }, bytes: 8 * 1024 * 1024 });
      const stream = call(openSession(port), method);
      stream.pause();
      if (method === "ModelInfer") stream.end(framed());
      else stream.write(framed());
      // What was sent before has to be read, or the client doesn't look at the end.
      stream.once("aborted", () => stream.resume());
      await cancelled(stream);
    });
  }

  it("that sends requests without reading answers is held up, and gets all once it reads", async () => {
    const { port, asked } = await serve({ bytes: 16 * 1024 });
    const stream = call(openSession(port), "ModelStreamInfer");
    stream.pause();
    const requests = 400;
    for (let sent = 0; sent < requests; sent++) stream.write(framed());
    stream.end();
    const other = call(openSession(port), "ModelInfer");
    other.end(framed());
    other.resume();
    await once(other, "close");
    assert(asked.count < 200, `${asked.count} of ${requests} are in memory`);
    let bytes = 0;
    stream.on("data", (chunk: Buffer) => (bytes += chunk.byteLength)).resume();
    await once(stream, "close");
    assert.equal(asked.count, requests + 1);
    assert(bytes > requests * 16 * 1024, `${bytes} bytes came`);
  });

  it("that has no call is let go, whether it speaks HTTP/2 or nothing", async () => {
    const { port } = await serve({ limits: { idleMs: 100 } });
    const session = openSession(port);
    const silent = connectTcp(port, "127.0.0.1");
    opened.push(silent);
    silent.resume();
    await Promise.all([once(session, "close"), once(silent, "close")]);
  });

  it("that does not answer pings is gone", async () => {
    const { port } = await serve({ limits: { pingMs: 100, pingTimeoutMs: 100 } });
    const silent = connectTcp(port, "127.0.0.1");
    opened.push(silent);
    silent.resume();
    await once(silent, "close");
  });

  it("is one of so many connections", async () => {
    const { port } = await serve({ connectionsMax: 1 });
    const session = openSession(port);
    await once(session, "remoteSettings");
    const other = openSession(port);
    await once(other, "close");
    session.close();
    await once(session, "close");
  });
});
