import assert from "node:assert/strict";
import { describe, it } from "mocha";

import { checkHost, refusalOf } from "./address-guard.ts";
import type { Reach } from "./address-guard.ts";
import { createHttpClient } from "./http-client.ts";
import { StorageError } from "./storage-error.ts";
import { startWebServer } from "./testing/web-server.ts";

describe("an address of a storage URI", () => {
  const rows: [address: string, refused: boolean, allowed: boolean, why: string][] = [
    ["93.184.216.34", false, false, "the internet"],
    ["2606:2800:220:1::1", false, false, "the internet, version 6"],
    ["169.254.169.254", true, true, "metadata of most clouds"],
    ["fd00:ec2::254", true, true, "AWS' metadata, version 6"],
    ["168.63.129.16", true, true, "Azure's"],
    ["100.100.100.200", true, true, "Alibaba's"],
    ["fe80::1", true, true, "link-local"],
    ["0.0.0.0", true, true, "this host by another name"],
    ["::ffff:169.254.169.254", true, true, "metadata in disguise"],
    ["::ffff:7f00:1", true, true, "loopback in hexadecimal disguise"],
    ["64:ff9b::a9fe:a9fe", true, true, "metadata through NAT64"],
    ["2002:a9fe:a9fe::", true, true, "metadata through 6to4"],
    ["::a9fe:a9fe", true, true, "metadata in the oldest disguise"],
    ["2001:0:1::1", true, true, "Teredo"],
    ["127.0.0.1", true, false, "loopback"],
    ["::1", true, false, "loopback, version 6"],
    ["10.96.0.1", true, false, "a cluster's services"],
    ["172.31.0.1", true, false, "private"],
    ["192.168.1.1", true, false, "private"],
    ["fd12::1", true, false, "private, version 6"],
    ["::ffff:10.0.0.1", true, false, "private in disguise"],
  ];
  for (const [address, refused, refusedThough, why] of rows) {
    it(`${address} is ${refused ? "refused" : "taken"}: ${why}`, () => {
      assert.equal(refusalOf(address, false) !== undefined, refused);
      assert.equal(
        refusalOf(address, true) !== undefined,
        refusedThough,
        "when private is allowed",
      );
    });
  }

  for (const url of [
    "https://2130706433/m.onnx",
    "https://0x7f.1/m.onnx",
    "https://[::1]/m.onnx",
    "https://127.1/m.onnx",
    "https://metadata.google.internal/m.onnx",
    "https://metadata.google.internal./m.onnx",
  ]) {
    it(`${url} is refused as it is written`, () => {
      assert.throws(() => checkHost(new URL(url), { allowPrivate: false }), StorageError);
    });
  }

  const portRows: [url: string, reach: Reach, taken: boolean, why: string][] = [
    ["https://h/m", { allowPrivate: false }, true, "what https is for"],
    ["https://h:443/m", { allowPrivate: false }, true, "the same, written out"],
    ["https://h:22/m", { allowPrivate: false }, false, "another protocol's"],
    ["https://h:8443/m", { allowPrivate: false, ports: [443, 8443] }, true, "allowed by number"],
    ["https://h/m", { allowPrivate: false, ports: [8443] }, false, "not among those allowed"],
    ["https://h:5000/m", { allowPrivate: true }, true, "in private networks, any"],
  ];
  for (const [url, reach, taken, why] of portRows) {
    it(`${url} is ${taken ? "taken" : "refused"} by its port: ${why}`, () => {
      const check = (): void => checkHost(new URL(url), reach);
      if (taken) check();
      else assert.throws(check, /port \d+ is not fetched from; name it in ALLOWED_PORTS/);
    });
  }
});

describe("a guarded client", () => {
  it("connects to no name that resolves to loopback, and says why", async () => {
    await using server = await startWebServer((_, reply) => void reply.end("inside"));
    const url = new URL(server.url.replace("127.0.0.1", "localhost"));
    const signal = new AbortController().signal;
    const http = createHttpClient({ allowPrivate: false, ports: [Number(url.port)] });
    const ask = async (trusted: boolean) =>
      http.send({ method: "GET", url, headers: {}, trusted }, signal);
    await assert.rejects(ask(false), (error) => {
      assert(error instanceof StorageError, String(error));
      assert.match(error.message, /localhost is a private or loopback address/);
      return true;
    });
    assert.equal(server.requests.length, 0);
    const reply = await ask(true);
    reply.body.destroy();
    assert.equal(reply.status, 200, "what was configured may be anywhere");
    http.close();
  });
});
