import assert from "node:assert/strict";
import { describe, it } from "mocha";

import { checkHost, refusalOf } from "./address-guard.ts";
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
      assert.throws(() => checkHost(new URL(url), false), StorageError);
    });
  }
});

describe("a guarded client", () => {
  it("connects to no name that resolves to loopback, and says why", async () => {
    await using server = await startWebServer((_, reply) => void reply.end("inside"));
    const url = new URL(server.url.replace("127.0.0.1", "localhost"));
    const signal = new AbortController().signal;
    const http = createHttpClient({ allowPrivate: false });
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
