import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import { startOpsServer, type OpsServer } from "./server.ts";

describe("ops server", () => {
  let server: OpsServer;
  let unready: string[];
  let render: () => Promise<string>;

  beforeEach(async () => {
    unready = ["the cache of Widget is not synced"];
    render = async () => "metric 1\n";
    server = await startOpsServer({
      host: "127.0.0.1",
      port: 0,
      unready: () => unready,
      metrics: { contentType: "text/plain; version=0.0.4", render: () => render() },
    });
  });

  afterEach(() => server.close());

  async function get(path: string, method = "GET"): Promise<string> {
    const response = await fetch(`${server.url}${path}`, { method });
    return `${response.status} ${await response.text()}`;
  }

  it("is alive although not ready, and says what is missing", async () => {
    assert.equal(await get("/healthz"), "200 ok\n");
    assert.equal(await get("/readyz"), "503 the cache of Widget is not synced\n");
    unready = [];
    assert.equal(await get("/readyz?verbose"), "200 ok\n");
  });

  it("renders metrics, and survives a metric that fails", async () => {
    assert.equal(await get("/metrics"), "200 metric 1\n");
    render = () => Promise.reject(new Error("secret detail"));
    assert.equal(await get("/metrics"), "500 the metrics could not be collected\n");
    assert.equal(await get("/healthz"), "200 ok\n");
  });

  it("answers HEAD without a body, and nothing else", async () => {
    assert.equal(await get("/healthz", "HEAD"), "200 ");
    assert.match(await get("/healthz", "POST"), /^405 /);
    assert.match(await get("/"), /^404 /);
  });

  it("says which address it could not have", async () => {
    const port = Number(new URL(server.url).port);
    const second = startOpsServer({
      host: "127.0.0.1",
      port,
      unready: () => [],
      metrics: { contentType: "text/plain", render },
    });
    await assert.rejects(second, new RegExp(`cannot serve .* on 127.0.0.1:${port}`));
  });
});
