import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { readFile } from "node:fs/promises";
import { once } from "node:events";
import { describe, it } from "mocha";

import {
  createHttpClient,
  parseLength,
  parseRetryAfterMs,
  readText,
  receive,
} from "./http-client.ts";
import { TransientError } from "./retry.ts";
import { StorageError } from "./storage-error.ts";
import { inFolder } from "./testing/folder.ts";
import { startWebServer } from "./testing/web-server.ts";

/** A certificate of its own authority, for the loopback interface. */
async function makeCertificate(folder: string): Promise<{ key: string; cert: string }> {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"];
  const name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  const files = ["-keyout", key, "-out", cert];
  execFileSync("openssl", ["req", "-x509", ...kind, ...name, ...files], { stdio: "ignore" });
  return { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
}

async function get(url: string, ca?: string): Promise<string> {
  const http = createHttpClient({ ca, allowPrivate: true });
  try {
    const request = { method: "GET", url: new URL(url), headers: {} } as const;
    return await readText(await http.send(request, new AbortController().signal), 1000);
  } finally {
    http.close();
  }
}

describe("createHttpClient", () => {
  it("speaks https to who is trusted, and says how to trust who is not", () =>
    inFolder(async (folder) => {
      const tls = await makeCertificate(folder);
      await using server = await startWebServer((_, reply) => void reply.end("hello"), tls);
      assert.equal(await get(server.url, tls.cert), "hello");
      await assert.rejects(
        get(server.url),
        (error) => error instanceof StorageError && /NODE_EXTRA_CA_CERTS/.test(error.message),
      );
    }));

  it("holds configured hosts to the rules as well, and not those that give credentials", async () => {
    await using server = await startWebServer((_, reply) => void reply.end("hello"));
    const hosts = { allowed: ["models.example.com"], denied: [] };
    const http = createHttpClient({ allowPrivate: true, hosts });
    const request = {
      method: "GET",
      url: new URL(server.url),
      headers: {},
      trusted: true,
    } as const;
    const { signal } = new AbortController();
    await assert.rejects(http.send(request, signal), /127\.0\.0\.1 is not fetched from/);
    assert.equal(server.requests.length, 0);
    const reply = await http.send({ ...request, forCredentials: true }, signal);
    assert.equal(await readText(reply, 1000), "hello");
    http.close();
  });

  it("reports an address where nobody listens as something that may pass", async () => {
    const closed = createServer().listen(0, "127.0.0.1");
    await once(closed, "listening");
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, "close");
    await assert.rejects(
      get(`http://127.0.0.1:${port}`),
      (error) => error instanceof TransientError && /ECONNREFUSED/.test(error.message),
    );
  });
});

describe("readText", () => {
  it("cuts off what nobody should send", async () => {
    await using server = await startWebServer((_, reply) => {
      const more = (): void => void reply.write("x".repeat(1000), more);
      more();
    });
    assert.equal((await get(server.url)).length, 1000);
  });
});

describe("receive", () => {
  /** How many bytes of a body arrive that brings so many every ten seconds, for five minutes. */
  async function received(bytesEach: number): Promise<number> {
    let nowMs = 0;
    async function* body(): AsyncGenerator<Buffer> {
      for (; nowMs < 300_000; nowMs += 10_000) yield Buffer.alloc(bytesEach);
    }
    const reply = { headers: {}, origin: "https://h", body: body() };
    let bytes = 0;
    for await (const chunk of receive(reply, () => nowMs)) bytes += chunk.length;
    return bytes;
  }

  it("gives up what comes drop by drop, and nothing that only takes long", async () => {
    assert.equal(await received(20_000), 30 * 20_000);
    await assert.rejects(received(1), (error) => {
      assert(error instanceof StorageError, String(error));
      assert.equal(error.code, "unavailable");
      assert.match(error.message, /https:\/\/h sent \d bytes in a minute/);
      return true;
    });
  });
});

describe("headers", () => {
  it("are numbers or nothing", () => {
    assert.equal(parseLength("12"), 12);
    for (const header of [undefined, "", "-1", "1e3", "0x10", "9".repeat(30)]) {
      assert.equal(parseLength(header), undefined);
    }
    assert.equal(parseRetryAfterMs("2"), 2000);
    assert.equal(parseRetryAfterMs("Wed, 21 Oct 2026 07:28:00 GMT"), undefined);
  });
});
