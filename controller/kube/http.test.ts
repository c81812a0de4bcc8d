import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock } from "node:test";
import { KubeConfig } from "@kubernetes/client-node";
import { afterEach, describe, it } from "mocha";
import { credentialsOf, type CredentialsSource } from "./credentials.ts";
import { ApiError, DeadlineError, DecodeError, TransportError } from "./errors.ts";
import { createHttp, type HttpOptions, type KubeHttp } from "./http.ts";
import { sendJson, startScripted, type Script } from "./testing/scripted-server.ts";

const clients: KubeHttp[] = [];

function client(url: string, options: Partial<HttpOptions> = {}): KubeHttp {
  const server = new URL(url);
  const credentials: CredentialsSource = async () => ({ server, headers: {}, tls: {} });
  const userAgent = "pilotlight-controller/1.2.3";
  const http = createHttp({ credentials, userAgent, random: () => 0, ...options });
  clients.push(http);
  return http;
}

/** A server that fails so many times before it answers. */
function failing(times: number, status: number, headers: Record<string, string> = {}): Script {
  return (_, response, count) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (count < times) sendJson(response, status, { kind: "Status", reason: "Busy", message: "m" });
    else sendJson(response, 200, { count });
  };
}

describe("KubeHttp", () => {
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((http) => http.close()));
  });

  it("sends JSON, query and headers, and parses the answer", async () => {
    await using server = await startScripted((_, response) => sendJson(response, 200, { ok: 1 }));
    const answer = await client(`${server.url}/prefix/`).json({
      method: "PATCH",
      path: "/apis/x",
      query: { force: true, limit: 5, none: undefined },
      body: { a: "ä" },
      contentType: "application/apply-patch+yaml",
    });
    assert.deepEqual(answer, { ok: 1 });
    const [seen] = server.seen;
    assert.equal(seen?.method, "PATCH");
    assert.equal(`${seen.url.pathname}${seen.url.search}`, "/prefix/apis/x?force=true&limit=5");
    assert.equal(seen.body, '{"a":"ä"}');
    assert.equal(seen.headers["content-type"], "application/apply-patch+yaml");
    assert.equal(seen.headers["user-agent"], "pilotlight-controller/1.2.3");
  });

  it("F09: a refusal is an ApiError with the server's wish for distance", async () => {
    await using server = await startScripted(failing(9, 429, { "retry-after": "30" }));
    const call = client(server.url).json({ method: "GET", path: "/x" });
    await assert.rejects(call, (error: ApiError) => {
      assert.deepEqual([error.status, error.reason, error.retryAfterMs], [429, "Busy", 30_000]);
      return true;
    });
    assert.equal(server.seen.length, 1, "30 s is not waited for within a call");
  });

  it("tries a read three times, and a write once", async () => {
    for (const [method, tries] of [
      ["GET", 3],
      ["PATCH", 1],
      ["DELETE", 1],
    ] as const) {
      await using server = await startScripted(failing(9, 503));
      await assert.rejects(client(server.url).json({ method, path: "/x" }), ApiError);
      assert.equal(server.seen.length, tries, method);
    }
    await using server = await startScripted(failing(2, 500));
    assert.deepEqual(await client(server.url).json({ method: "GET", path: "/x" }), { count: 2 });
  });

  it("does not repeat a read that is simply refused", async () => {
    await using server = await startScripted(failing(9, 403));
    await assert.rejects(client(server.url).json({ method: "GET", path: "/x" }), ApiError);
    assert.equal(server.seen.length, 1);
  });

  it("F08: a write whose answer is lost is a TransportError, sent once", async () => {
    await using server = await startScripted((_, response) => void response.destroy());
    const call = client(server.url).json({ method: "PATCH", path: "/x", body: {} });
    await assert.rejects(call, (error: Error) => {
      assert(error instanceof TransportError);
      assert.match(error.message, /^PATCH \/x: no answer from http:\/\/127/);
      return true;
    });
    assert.equal(server.seen.length, 1);
  });

  it("F11: a silent server costs the deadline, and the next call gets a new connection", async () => {
    await using server = await startScripted((_, response, count) => {
      if (count > 0) sendJson(response, 200, {});
    });
    const http = client(server.url);
    const call = http.json({ method: "PATCH", path: "/x", deadlineMs: 50 });
    await assert.rejects(call, (error: Error) => {
      assert(error instanceof DeadlineError);
      assert.equal(error.message, "PATCH /x: no answer within 50 ms");
      return true;
    });
    await http.json({ method: "GET", path: "/x" });
    assert.equal(server.connections(), 2);
  });

  it("the deadline holds for a body that does not end", async () => {
    await using server = await startScripted((_, response) => {
      response.write('{"a":');
    });
    const call = client(server.url).json({ method: "PUT", path: "/x", deadlineMs: 50 });
    await assert.rejects(call, DeadlineError);
  });

  it("rejects bodies that are cut off, no JSON, or larger than allowed", async () => {
    const bodies: readonly { send: Script; error: new (m: string) => Error }[] = [
      { send: (_, response) => void response.end("<html>"), error: DecodeError },
      { send: (_, response) => void response.end(`"${"x".repeat(200)}"`), error: DecodeError },
      {
        send: (_, response) => {
          response.writeHead(200, { "content-length": 100 });
          response.write("{", () => response.destroy());
        },
        error: TransportError,
      },
    ];
    for (const { send, error } of bodies) {
      await using server = await startScripted(send);
      const call = client(server.url, { bodyBytesMax: 100 }).json({
        method: "GET",
        path: "/x",
        retries: 0,
      });
      await assert.rejects(call, error);
    }
  });

  it("ends with the caller's signal and its reason", async () => {
    await using server = await startScripted(() => {});
    const controller = new AbortController();
    const call = client(server.url).json({ method: "GET", path: "/x", signal: controller.signal });
    const reason = new Error("the caller left");
    controller.abort(reason);
    await assert.rejects(call, (error) => error === reason);
  });

  it("F12: what beforeSend throws keeps the request from leaving", async () => {
    await using server = await startScripted(failing(0, 200));
    const refusal = new Error("no");
    const beforeSend = (): void => {
      throw refusal;
    };
    const call = client(server.url).json({ method: "PATCH", path: "/x", body: {}, beforeSend });
    await assert.rejects(call, (error) => error === refusal);
    assert.equal(server.seen.length, 0);
  });

  it("streams without a deadline once the headers are there", async () => {
    await using server = await startScripted((_, response) => {
      response.write("one");
      setTimeout(() => response.end("two"), 120);
    });
    const stream = await client(server.url).stream({ method: "GET", path: "/x", deadlineMs: 60 });
    let text = "";
    for await (const chunk of stream.chunks) text += Buffer.from(chunk).toString();
    assert.equal(text, "onetwo");
  });

  it("keeps its connections for calls in a row", async () => {
    await using server = await startScripted(failing(0, 200));
    const http = client(server.url);
    for (let count = 0; count < 20; count += 1) await http.json({ method: "GET", path: "/x" });
    // HTTP/1.1 frees a connection a turn after the answer, so that a second one may be opened.
    assert(server.connections() <= 2, `${server.connections()} connections for 20 calls`);
  });

  it("I13: failing credentials are a TransportError, and a read tries again", async () => {
    await using server = await startScripted(failing(0, 200));
    let asked = 0;
    const good = { server: new URL(server.url), headers: {}, tls: {} };
    const http = client(server.url, {
      credentials: async () => {
        asked += 1;
        if (asked < 3) throw new Error("the token file is being rewritten");
        return good;
      },
    });
    const write = http.json({ method: "PUT", path: "/x", body: {} });
    await assert.rejects(write, /no credentials.*the token file is being rewritten/);
    assert.deepEqual(await http.json({ method: "GET", path: "/x" }), { count: 0 });
  });
});

describe("credentialsOf", () => {
  it("F26: a rewritten token file is read again", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pilotlight-token-"));
    try {
      const tokenFile = join(folder, "token");
      const config = new KubeConfig();
      config.loadFromOptions({
        clusters: [{ name: "c", server: "https://127.0.0.1:1" }],
        users: [{ name: "u", authProvider: { name: "tokenFile", config: { tokenFile } } }],
        contexts: [{ name: "x", cluster: "c", user: "u" }],
        currentContext: "x",
      });
      const source = credentialsOf(config);
      const [first, second] = [randomUUID(), randomUUID()];
      await writeFile(tokenFile, `${first}\n`);
      assert.equal((await source()).headers["authorization"], `Bearer ${first}`);
      await writeFile(tokenFile, second);
      // client-node keeps a token for 60 s by the wall clock.
      mock.timers.enable({ apis: ["Date"], now: Date.now() + 61_000 });
      assert.equal((await source()).headers["authorization"], `Bearer ${second}`);
    } finally {
      mock.timers.reset();
      await rm(folder, { recursive: true });
    }
  });

  it("reads certificates from data and says which context has no cluster", async () => {
    const config = new KubeConfig();
    config.loadFromOptions({
      clusters: [{ name: "c", server: "https://h:6443/p", caData: btoa("CA"), tlsServerName: "s" }],
      users: [{ name: "u", certData: btoa("CERT"), keyData: btoa("KEY") }],
      contexts: [{ name: "x", cluster: "c", user: "u" }],
      currentContext: "x",
    });
    const { server, tls } = await credentialsOf(config)();
    assert.equal(server.href, "https://h:6443/p");
    assert.deepEqual(tls, { ca: "CA", cert: "CERT", key: "KEY", servername: "s" });
    config.setCurrentContext("gone");
    await assert.rejects(credentialsOf(config)(), /no cluster for the context "gone"/);
  });
});
