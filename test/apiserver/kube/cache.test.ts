/** The watched cache against a real API server: what it must follow, and what it must survive. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import { systemClock } from "../../../controller/kube/clock.ts";
import { noMetrics, type RelistReason } from "../../../controller/kube/hooks.ts";
import type { KubeHttp } from "../../../controller/kube/http.ts";
import { objectPath, collectionPath } from "../../../controller/kube/paths.ts";
import { eventually } from "../../../controller/kube/testing/eventually.ts";
import { startApiserver, type Apiserver } from "../../support/apiserver.ts";
import {
  clientOf,
  countConnections,
  installWidgets,
  removeWidgets,
  startPath,
  watchWidgets,
  widget,
  WIDGET,
  type TestCluster,
  type Widget,
} from "./widgets.ts";

describe("watched cache on a real API server", function () {
  this.timeout(120_000);
  let apiserver: Apiserver;
  let admin: KubeHttp;
  let watching: TestCluster[];

  before(async () => {
    // Compaction each second instead of each five minutes: versions expire while a test looks on.
    apiserver = await startApiserver({ args: ["--etcd-compaction-interval=1s"] });
    admin = clientOf(apiserver.kubeconfig);
    await installWidgets(admin);
  });

  after(async () => {
    await admin.close();
    await apiserver.stop();
  });

  beforeEach(() => {
    watching = [];
  });

  afterEach(async () => {
    await Promise.all(watching.map((one) => one.stop()));
    await admin.json({ method: "DELETE", path: collectionPath(WIDGET, "default") });
    // The API server lists from a cache of its own, which may be a moment behind.
    await eventually("no Widgets", async () => {
      const { items } = await admin.json<{ items: unknown[] }>({
        method: "GET",
        path: collectionPath(WIDGET),
      });
      return items.length === 0;
    });
  });

  function watch(...args: Parameters<typeof watchWidgets>): TestCluster {
    const one = watchWidgets(...args);
    watching.push(one);
    return one;
  }

  async function create(name: string, size = 1, labels: Record<string, string> = {}) {
    return admin.json<Widget>({
      method: "POST",
      path: collectionPath(WIDGET, "default"),
      body: widget(name, { spec: { size } }, { labels }),
    });
  }

  async function resize(name: string, size: number): Promise<void> {
    await admin.json({
      method: "PATCH",
      path: objectPath(WIDGET, "default", name),
      contentType: "application/merge-patch+json",
      body: { spec: { size } },
    });
  }

  async function remove(name: string): Promise<void> {
    await admin.json({ method: "DELETE", path: objectPath(WIDGET, "default", name) });
  }

  function sizeIn({ cluster }: TestCluster, name: string): number | undefined {
    return cluster.get<Widget>(WIDGET, "default", name)?.spec?.size;
  }

  it("follows create, update and delete, by name and by label", async () => {
    const told: string[] = [];
    const one = watch(clientOf(apiserver.kubeconfig));
    one.cluster.onChange(WIDGET, ({ type, object }) =>
      told.push(`${type} ${object.metadata.name}`),
    );
    await one.cluster.waitForSync(AbortSignal.timeout(10_000));
    await create("a", 1, { app: "x" });
    await eventually("created", () => sizeIn(one, "a") === 1);
    assert.equal(one.cluster.labelled(WIDGET, "default", "app", "x").length, 1);
    await resize("a", 2);
    await eventually("updated", () => sizeIn(one, "a") === 2);
    await remove("a");
    await eventually("deleted", () => one.cluster.list(WIDGET).length === 0);
    assert.deepEqual(told, ["added a", "updated a", "deleted a"]);
  });

  it("F19: a re-created object is a delete and an add", async () => {
    const one = watch(clientOf(apiserver.kubeconfig));
    const told: string[] = [];
    one.cluster.onChange(WIDGET, ({ type }) => told.push(type));
    const first = await create("twin");
    await eventually("first", () => sizeIn(one, "twin") === 1);
    await remove("twin");
    const second = await create("twin", 2);
    await eventually("second", () => sizeIn(one, "twin") === 2);
    assert.notEqual(first.metadata.uid, second.metadata.uid);
    assert.deepEqual(told, ["added", "deleted", "added"]);
  });

  it("F10: survives kill -9 and restart of the API server", async () => {
    const one = watch(clientOf(apiserver.kubeconfig));
    await create("kept");
    await eventually("before", () => sizeIn(one, "kept") === 1);
    await apiserver.kill();
    await eventually("the loss is noticed", () => one.cluster.status()[0]?.trouble);
    assert.equal(sizeIn(one, "kept"), 1, "the cache answers during the outage");
    await apiserver.start();
    await resize("kept", 2);
    await eventually("after", () => sizeIn(one, "kept") === 2, 40_000);
    assert.equal(one.cluster.status()[0]?.trouble, undefined);
  });

  it("F03: compaction while cut off leads to 410, a new list, and no lost delete", async () => {
    const path = await startPath(apiserver.url);
    const relists: RelistReason[] = [];
    const http = clientOf(apiserver.kubeconfig, { server: path.url });
    const metrics = { ...noMetrics, relist: (_: string, why: RelistReason) => relists.push(why) };
    // Ten times less patient: the backoff of a long outage would be waited for otherwise.
    const clock = {
      ...systemClock,
      schedule: (run: () => void, ms: number) => systemClock.schedule(run, ms / 10),
    };
    const one = watch(http, { metrics, clock });
    try {
      await create("doomed");
      await create("survivor");
      await eventually("both", () => one.cluster.list(WIDGET).length === 2);
      const lastSeen = one.cluster.status()[0]?.lastSyncRV ?? "";
      path.cut();
      await remove("doomed");
      await resize("survivor", 7);
      await expired(lastSeen);
      path.heal();
      await eventually("caught up", () => sizeIn(one, "survivor") === 7, 60_000);
      assert.equal(sizeIn(one, "doomed"), undefined);
      assert.deepEqual(
        relists.filter((reason) => reason !== "error"),
        ["initial", "410"],
      );
    } finally {
      await path.close();
    }
  });

  /** Waits until etcd has compacted `version` away, and clears the API server's own memory of it. */
  async function expired(version: string): Promise<void> {
    let size = 100;
    await eventually(
      "compaction",
      async () => {
        // Compaction follows the latest revision: something has to move it.
        size += 1;
        await resize("survivor", size);
        const answer = admin.json({
          method: "GET",
          path: collectionPath(WIDGET),
          query: { resourceVersion: version, resourceVersionMatch: "Exact" },
          retries: 0,
        });
        return answer.then(
          () => false,
          (error: Error) => /\b410\b/.test(error.message),
        );
      },
      60_000,
    );
    await resize("survivor", 7);
    await apiserver.kill();
    await apiserver.start();
  }

  it("F22: a missing CRD is waited for, also when it vanishes under way", async () => {
    await removeWidgets(admin);
    const one = watch(clientOf(apiserver.kubeconfig));
    await eventually("said", () =>
      one.log.lines.some(({ message }) => message.includes("install its CRD")),
    );
    assert.equal(one.cluster.hasSynced(), false);
    await installWidgets(admin);
    await eventually("synced", () => one.cluster.hasSynced(), 60_000);
    await create("a");
    await eventually("followed", () => sizeIn(one, "a") === 1);
    await removeWidgets(admin);
    await eventually("not ready", () => !one.cluster.hasSynced(), 60_000);
    await installWidgets(admin);
    await create("b");
    await eventually("again", () => sizeIn(one, "b") === 1, 60_000);
    assert.equal(sizeIn(one, "a"), undefined);
  });

  it("F31: missing rights are named, and their return is enough", async () => {
    const one = watch(clientOf(await apiserver.userKubeconfig("jane")));
    const trouble = await eventually("trouble", () => one.cluster.status()[0]?.trouble);
    assert.match(trouble, /403 Forbidden.*User "jane" cannot list resource "widgets"/);
    await grantReading("jane");
    await eventually("synced", () => one.cluster.hasSynced(), 60_000);
  });

  async function grantReading(name: string): Promise<void> {
    const apiVersion = "rbac.authorization.k8s.io/v1";
    const metadata = { name: `reads-${name}` };
    const rules = [
      { apiGroups: ["test.pilotlight.dev"], resources: ["widgets"], verbs: ["list", "watch"] },
    ];
    const subjects = [{ kind: "User", name, apiGroup: "rbac.authorization.k8s.io" }];
    const roleRef = { kind: "ClusterRole", ...metadata, apiGroup: "rbac.authorization.k8s.io" };
    const path = `/apis/${apiVersion}`;
    await admin.json({
      method: "POST",
      path: `${path}/clusterroles`,
      body: { apiVersion, kind: "ClusterRole", metadata, rules },
    });
    await admin.json({
      method: "POST",
      path: `${path}/clusterrolebindings`,
      body: { apiVersion, kind: "ClusterRoleBinding", metadata, subjects, roleRef },
    });
  }

  it("F16: 1,000 objects in two pages, and all calls over two connections at most", async () => {
    const names = Array.from({ length: 1000 }, (_, at) => `w${at}`);
    await inBatches(names, 50, (name) => create(name));
    const connections = countConnections();
    const source = clientOf(apiserver.kubeconfig);
    const lists: unknown[] = [];
    const http: KubeHttp = {
      ...source,
      json: (request) => {
        if (request.method === "GET") lists.push(request.query);
        return source.json(request);
      },
    };
    const one = watch(http);
    try {
      await one.cluster.waitForSync(AbortSignal.timeout(30_000));
      assert.equal(one.cluster.list(WIDGET).length, 1000);
      assert.equal(lists.length, 2, "1,000 objects are two pages of 500");
      await inBatches(names.slice(0, 200), 50, (name) =>
        one.cluster.apply(WIDGET, widget(name, { spec: { size: 5 } })),
      );
      await eventually("all seen", () =>
        names.slice(0, 200).every((name) => sizeIn(one, name) === 5),
      );
      assert(connections.count() <= 2, `${connections.count()} connections`);
    } finally {
      connections.stop();
    }
  });

  async function inBatches<T>(
    all: readonly T[],
    size: number,
    run: (one: T) => Promise<unknown>,
  ): Promise<void> {
    for (let from = 0; from < all.length; from += size) {
      await Promise.all(all.slice(from, from + size).map(run));
    }
  }
});
