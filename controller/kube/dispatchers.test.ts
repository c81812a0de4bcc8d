import assert from "node:assert/strict";
import { once } from "node:events";
import { createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, it } from "mocha";
import { createAuthority } from "../../hack/cluster/x509.ts";
import type { Credentials, TlsMaterial } from "./credentials.ts";
import { createDispatchers } from "./dispatchers.ts";
import { DeadlineError, TransportError } from "./errors.ts";
import { createHttp } from "./http.ts";

/** An HTTP/2 server whose certificate can be swapped, as an API server's is when its CA rotates. */
async function startTls(material: { key: string; cert: string }) {
  const server = createSecureServer({ ...material, allowHTTP1: true });
  let connections = 0;
  server.on("secureConnection", () => {
    connections += 1;
  });
  server.on("request", (request, response) => {
    if (request.url === "/watch") response.write("\n");
    else if (request.url !== "/silent") response.end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    swap: (next: { key: string; cert: string }) => server.setSecureContext(next),
    close: async () => {
      server.close();
      await once(server, "close");
    },
  };
}

describe("dispatchers", () => {
  it("only the first complaint about the same connections counts", async () => {
    const dispatchers = createDispatchers();
    const credentials: Credentials = { server: new URL("https://kube"), headers: {}, tls: {} };
    const first = dispatchers.forCredentials(credentials);
    assert.equal(dispatchers.forCredentials({ ...credentials, headers: { a: "b" } }), first);
    dispatchers.suspect(first);
    const second = dispatchers.forCredentials(credentials);
    assert.notEqual(second, first);
    dispatchers.suspect(first);
    assert.equal(dispatchers.forCredentials(credentials), second);
    await dispatchers.close();
  });

  it("says which proxies it cannot use", () => {
    const proxyUrl = "socks5://127.0.0.1:1080";
    const credentials = { server: new URL("https://kube"), headers: {}, tls: {}, proxyUrl };
    assert.throws(() => createDispatchers().forCredentials(credentials), /only http and https/);
  });

  it("F11: calls after one that was never answered use another connection", async () => {
    const authority = createAuthority("authority");
    const server = await startTls(authority.issueServer("kube", ["127.0.0.1"]));
    const tls = { ca: authority.cert };
    const http = createHttp({
      credentials: async () => ({ server: new URL(server.url), headers: {}, tls }),
      userAgent: "test",
    });
    try {
      // A watch keeps the connection in use: only a complaint leads others away from it.
      const watch = await http.stream({ method: "GET", path: "/watch" });
      const silent = http.json({ method: "PUT", path: "/silent", body: {}, deadlineMs: 100 });
      await http.json({ method: "GET", path: "/x" });
      assert.equal(server.connections(), 1);
      await assert.rejects(silent, DeadlineError);
      await http.json({ method: "GET", path: "/x" });
      assert.equal(server.connections(), 2);
      watch.close();
    } finally {
      await http.close();
      await server.close();
    }
  });

  it("F26: a rotated CA takes effect, and until then one connection serves all", async () => {
    const [oldCa, newCa] = [createAuthority("old"), createAuthority("new")];
    const serving = (ca: typeof oldCa) => ca.issueServer("kube", ["127.0.0.1"]);
    const server = await startTls(serving(oldCa));
    let tls: TlsMaterial = { ca: oldCa.cert };
    const http = createHttp({
      credentials: async () => ({ server: new URL(server.url), headers: {}, tls }),
      userAgent: "test",
    });
    const call = () => http.json({ method: "GET", path: "/x", retries: 0 });
    try {
      await Promise.all(Array.from({ length: 50 }, call));
      assert.equal(server.connections(), 1, "HTTP/2: fifty calls share a connection");
      server.swap(serving(newCa));
      tls = { ca: newCa.cert };
      await call();
      assert.equal(server.connections(), 2, "the new CA asks for a new connection");
      tls = { ca: createAuthority("stranger").cert };
      await assert.rejects(call(), (error: Error) => {
        assert(error instanceof TransportError);
        assert.match(error.message, /no answer from https:.*(signature|issuer|certificate)/);
        return true;
      });
    } finally {
      await http.close();
      await server.close();
    }
  });
});
