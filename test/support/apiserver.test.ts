import assert from "node:assert/strict";
import { access, readFile } from "node:fs/promises";
import { after, before, describe, it } from "mocha";
import { parse } from "yaml";
import { readAudit } from "../../hack/cluster/audit.ts";
import { callKube, expectKube } from "../../hack/cluster/kube-request.ts";
import { startApiserver, type Apiserver } from "./apiserver.ts";

const SERVICE_ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts";

describe("startApiserver", function () {
  this.timeout(120_000);
  let apiserver: Apiserver;

  before(async () => {
    apiserver = await startApiserver();
  });

  after(async () => {
    await apiserver.stop();
    await assert.rejects(access(apiserver.auditLog), "stop() removes the folder");
  });

  it("answers the administrator, and logs his writes but not his reads", async () => {
    await createServiceAccount(apiserver, "audited");
    await expectKube(apiserver.endpoint, { path: `${SERVICE_ACCOUNTS}/audited` });
    const writes = (await readAudit(apiserver.auditLog)).filter(({ name }) => name === "audited");
    assert.deepEqual(
      writes.map(({ user, verb, resource, code }) => ({ user, verb, resource, code })),
      [{ user: "test-admin", verb: "create", resource: "serviceaccounts", code: 201 }],
    );
  });

  it("gives a named user no right of his own", async () => {
    const path = await apiserver.userKubeconfig("jane", ["developers"]);
    const { cert, key } = await identityIn(path);
    const answer = await callKube({ ...apiserver.endpoint, cert, key }, { path: SERVICE_ACCOUNTS });
    assert.equal(answer.status, 403);
    assert.match(answer.body, /User \\"jane\\" cannot list/);
  });

  it("makes a kubeconfig with the token of a service account", async () => {
    await createServiceAccount(apiserver, "robot");
    const path = await apiserver.serviceAccountKubeconfig("default", "robot");
    const { token } = await identityIn(path);
    const claims: unknown = JSON.parse(
      Buffer.from(token.split(".")[1] ?? "", "base64url").toString(),
    );
    assert.equal((claims as { sub: string }).sub, "system:serviceaccount:default:robot");
  });

  it("keeps its objects and its port over kill and start", async () => {
    await createServiceAccount(apiserver, "kept");
    await apiserver.kill();
    await assert.rejects(callKube(apiserver.endpoint, { path: "/readyz" }), /ECONNREFUSED/);
    await apiserver.start();
    await expectKube(apiserver.endpoint, { path: `${SERVICE_ACCOUNTS}/kept` });
  });

  it("answers nothing while paused", async () => {
    apiserver.pause();
    try {
      const call = callKube(apiserver.endpoint, { path: "/readyz", timeoutMs: 200 });
      await assert.rejects(call, /no answer/);
    } finally {
      apiserver.resume();
    }
    await expectKube(apiserver.endpoint, { path: "/readyz" });
  });
});

async function createServiceAccount(apiserver: Apiserver, name: string): Promise<void> {
  await expectKube(apiserver.endpoint, {
    method: "POST",
    path: SERVICE_ACCOUNTS,
    body: { apiVersion: "v1", kind: "ServiceAccount", metadata: { name } },
  });
}

async function identityIn(path: string): Promise<{ cert: string; key: string; token: string }> {
  const config = parse(await readFile(path, "utf8")) as {
    users: { user: Record<string, string> }[];
  };
  const user = config.users[0]?.user ?? {};
  const decode = (name: string): string => Buffer.from(user[name] ?? "", "base64").toString();
  return {
    cert: decode("client-certificate-data"),
    key: decode("client-key-data"),
    token: user.token ?? "",
  };
}
