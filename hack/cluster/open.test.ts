import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { parseAddress } from "./kubeconfig-provider.ts";
import { selectProvider } from "./open.ts";

describe("selectProvider", () => {
  const root = { platform: "linux", isRoot: true };
  const cases = [
    { why: "root on Linux builds", env: {}, facts: root, want: "built" },
    { why: "others need Docker", env: {}, facts: { ...root, isRoot: false }, want: "k3s" },
    { why: "so does macOS", env: {}, facts: { platform: "darwin", isRoot: true }, want: "k3s" },
    {
      why: "KUBECONFIG alone points at nobody's cluster",
      env: { KUBECONFIG: "/prod" },
      facts: root,
      want: "built",
    },
    {
      why: "said in so many words",
      env: { PILOTLIGHT_CLUSTER: "kubeconfig" },
      facts: root,
      want: "kubeconfig",
    },
  ];
  for (const { why, env, facts, want } of cases) {
    it(why, () => {
      assert.equal(selectProvider(env, facts), want);
    });
  }

  it("names the providers when there is none of that name", () => {
    assert.throws(
      () => selectProvider({ PILOTLIGHT_CLUSTER: "minikube" }, root),
      /minikube: no such provider; there are built, k3s, kubeconfig/,
    );
  });
});

describe("parseAddress", () => {
  it("takes host and port apart", () => {
    assert.deepEqual(parseAddress("127.0.0.1:8080"), { host: "127.0.0.1", port: 8080 });
  });

  for (const text of [undefined, "", "host", "host:", ":80", "host:0", "host:65536"]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseAddress(text), /set PILOTLIGHT_INGRESS to host:port/);
    });
  }
});
