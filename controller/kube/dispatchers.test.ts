import assert from "node:assert/strict";
import { once } from "node:events";
import { createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, it } from "mocha";
import { createAuthority } from "../../hack/cluster/x509.ts";
import type { TlsMaterial } from "./credentials.ts";
import { TransportError } from "./errors.ts";
import { createHttp } from "./http.ts";

/** An HTTP/2 server whose certificate can be swapped, as an API server's is when its CA rotates. */
async function startTls(material: { key: string; cert: string }) {
  const server = createSecureServer({ ...material, allowHTTP1: true });
  let connections = 0;
  server.on("secureConnection", () => {
    connections += 1;
  });
  server.on("request", (_, response) => void response.end("{}"));
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
