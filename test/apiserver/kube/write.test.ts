/** Writes, Events and the whole controller loop against a real API server. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import { readAudit } from "../../../hack/cluster/audit.ts";
import { ApiError } from "../../../controller/kube/errors.ts";
import type { KubeHttp } from "../../../controller/kube/http.ts";
import { runController, type RunningController } from "../../../controller/kube/manager.ts";
import { collectionPath, keyOf, objectPath } from "../../../controller/kube/paths.ts";
import { WorkQueue } from "../../../controller/kube/queue.ts";
import { eventually } from "../../../controller/kube/testing/eventually.ts";
import { startApiserver, type Apiserver } from "../../support/apiserver.ts";
import {
  clientOf,
  CONFIG_MAP,
  installWidgets,
  watchWidgets,
  widget,
  WIDGET,
  type TestCluster,
  type Widget,
} from "./widgets.ts";

describe("writes on a real API server", function () {
  this.timeout(60_000);
  let apiserver: Apiserver;
  let admin: KubeHttp;
  let one: TestCluster;

  before(async () => {
    apiserver = await startApiserver();
    admin = clientOf(apiserver.kubeconfig, { userAgent: "admin" });
    await installWidgets(admin);
  });

  after(async () => {
    await admin.close();
    await apiserver.stop();
  });

  beforeEach(async () => {
    one = watchWidgets(clientOf(apiserver.kubeconfig), {
      kinds: [{ kind: WIDGET }, { kind: CONFIG_MAP, namespace: "default" }],
    });
    await one.cluster.waitForSync(AbortSignal.timeout(10_000));
  });

  afterEach(() => one.stop());

  it("F28: an identical apply writes nothing, of the spec and of the status", async () => {
    const spec = widget("same", { spec: { size: 1 } });
    const status = { phase: "Ready" };
    const made = await one.cluster.apply(WIDGET, spec);
    const { metadata } = (await one.cluster.applyStatus<Widget>(WIDGET, made, status)) ?? made;
    assert.notEqual(metadata.resourceVersion, made.metadata.resourceVersion);
    for (let count = 0; count < 3; count += 1) {
      const again = await one.cluster.apply(WIDGET, spec);
      const statusAgain = await one.cluster.applyStatus(WIDGET, again, status);
      assert.equal(again.metadata.resourceVersion, metadata.resourceVersion);
      assert.equal(statusAgain?.metadata.resourceVersion, metadata.resourceVersion);
    }
    const changed = await one.cluster.apply(WIDGET, widget("same", { spec: { size: 2 } }));
    assert.notEqual(changed.metadata.resourceVersion, metadata.resourceVersion);
  });

  it("F29: owns only what it applies: others keep their fields, ours are taken back", async () => {
    await one.cluster.apply(WIDGET, widget("shared", { spec: { size: 1 } }));
    await admin.json({
      method: "PATCH",
      path: objectPath(WIDGET, "default", "shared"),
      query: { fieldManager: "somebody" },
      contentType: "application/merge-patch+json",
      body: { spec: { size: 99, colour: "red" }, metadata: { labels: { theirs: "yes" } } },
    });
    const applied = await one.cluster.apply<Widget>(
      WIDGET,
      widget("shared", { spec: { size: 1 } }),
    );
    assert.deepEqual(applied.spec, { size: 1, colour: "red" });
    assert.equal(applied.metadata.labels?.["theirs"], "yes");
    const given = await one.cluster.apply<Widget>(WIDGET, widget("shared", { spec: {} }));
    assert.deepEqual(given.spec, { colour: "red" }, "a field given up goes with us");
    const managers = (applied.metadata.managedFields ?? []).map(
      (entry) => (entry as { manager: string }).manager,
    );
    assert(managers.includes("pilotlight-controller"));
  });

  it("F06: makes what is new, and of two who make it one only", async () => {
    const { cluster } = one;
    const ours = await cluster.applyNew<Widget>(WIDGET, widget("new", { spec: { size: 1 } }));
    const [entry] = (ours?.metadata.managedFields ?? []) as readonly { operation: string }[];
    assert.equal(entry?.operation, "Apply", "a later apply can give fields up");
    for (const spec of [{ size: 1 }, { size: 2 }, { colour: "red" }]) {
      assert.equal(await cluster.applyNew(WIDGET, widget("new", { spec })), undefined);
    }
    const left = await cluster.read(WIDGET, "default", "new");
    assert.equal(left?.metadata.resourceVersion, ours?.metadata.resourceVersion);

    const racing = await Promise.all(
      Array.from({ length: 8 }, (_, size) =>
        cluster.applyNew<Widget>(WIDGET, widget("raced", { spec: { size } })),
      ),
    );
    const made = racing.filter((object) => object !== undefined);
    assert.equal(made.length, 1);
    assert.deepEqual((await cluster.read<Widget>(WIDGET, "default", "raced"))?.spec, made[0]?.spec);
  });

  it("F05: refusals are ApiErrors that say what and where", async () => {
    const wrong = widget("wrong", { spec: { size: -1 } });
    await assert.rejects(one.cluster.apply(WIDGET, wrong), (error: ApiError) => {
      assert(error instanceof ApiError);
      assert.equal(error.reason, "Invalid");
      assert.equal(error.details?.causes?.[0]?.field, "spec.size");
      return true;
    });
    const untyped = widget("untyped", { spec: { size: "big" as unknown as number } });
    // Server-side apply answers 500, without a reason, where a create would have been invalid.
    await assert.rejects(
      one.cluster.apply(WIDGET, untyped),
      /500 : .*\.spec\.size: expected numeric/,
    );
    const nowhere = widget("x", {}, { namespace: "missing" });
    await assert.rejects(one.cluster.apply(WIDGET, nowhere), /404 NotFound: .*"missing" not found/);
    assert.equal(await one.cluster.read(WIDGET, "default", "absent"), undefined);
  });

  it("F19: what names the uid or the version of a gone object does not reach its successor", async () => {
    const first = await one.cluster.apply<Widget>(WIDGET, widget("reborn", { spec: { size: 1 } }));
    await one.cluster.remove(WIDGET, first);
    await one.cluster.apply(WIDGET, widget("reborn", { spec: { size: 2 } }));
    const { uid = "" } = first.metadata;
    const late = widget("reborn", { spec: { size: 3 } }, { uid });
    await assert.rejects(one.cluster.apply(WIDGET, late), /422 Invalid.*uid.*immutable/);
    assert.equal(await one.cluster.applyStatus(WIDGET, first, { phase: "Old" }), undefined);
    // The version, not the uid: the status subresource does not look at that.
    const reborn = await one.cluster.read<Widget>(WIDGET, "default", "reborn");
    const { resourceVersion } = reborn?.metadata ?? {};
    const passing = { ...first, metadata: { ...first.metadata, resourceVersion } } as Widget;
    const passed = await one.cluster.applyStatus<Widget>(WIDGET, passing, { phase: "Passed" });
    assert.equal(passed?.metadata.uid, reborn?.metadata.uid);
    assert.deepEqual(passed?.status, { phase: "Passed" });
  });

  it("F13: a delete with the uid of one that is gone spares its successor", async () => {
    const first = await one.cluster.apply(WIDGET, widget("spared", { spec: { size: 1 } }));
    await one.cluster.remove(WIDGET, first);
    await one.cluster.remove(WIDGET, first);
    const second = await one.cluster.apply(WIDGET, widget("spared", { spec: { size: 2 } }));
    await one.cluster.remove(WIDGET, first);
    const live = await one.cluster.read(WIDGET, "default", "spared");
    assert.equal(live?.metadata.uid, second.metadata.uid);
    await one.cluster.remove(WIDGET, second);
    assert.equal(await one.cluster.read(WIDGET, "default", "spared"), undefined);
  });

  it("Events are accepted, and repeats become a series", async () => {
    const subject = await one.cluster.apply(WIDGET, widget("talker", { spec: { size: 1 } }));
    const note = { type: "Warning", reason: "ModelNotFound", message: "ä".repeat(900) } as const;
    one.cluster.note(subject, note);
    one.cluster.note(subject, note);
    one.cluster.note(subject, { type: "Normal", reason: "Created", message: "once" });
    const events = await eventually("both Events", async () => {
      const found = await eventsAbout(subject.metadata.uid ?? "");
      return found.length === 2 && found.some(({ series }) => series) ? found : undefined;
    });
    const [repeated] = events.filter(({ reason }) => reason === "ModelNotFound");
    assert.equal(repeated?.series?.count, 2);
    assert.equal(one.log.lines.length, 0, JSON.stringify(one.log.lines));
  });

  interface PublishedEvent {
    readonly reason: string;
    readonly regarding: { readonly uid: string };
    readonly series?: { readonly count: number };
  }

  async function eventsAbout(uid: string): Promise<PublishedEvent[]> {
    const { items } = await admin.json<{ items: PublishedEvent[] }>({
      method: "GET",
      path: "/apis/events.k8s.io/v1/namespaces/default/events",
    });
    return items.filter(({ regarding }) => regarding.uid === uid);
  }

  describe("with a controller that keeps a ConfigMap per Widget", () => {
    let running: RunningController | undefined;
    let reconciles = 0;

    afterEach(() => running?.stop());

    function control(): void {
      const { cluster, log } = one;
      reconciles = 0;
      running = runController({
        name: "widgets",
        cluster,
        queue: new WorkQueue({ name: "widgets" }),
        watches: [
          { kind: WIDGET, keys: (object) => [keyOf(object)] },
          {
            kind: CONFIG_MAP,
            keys: ({ metadata }) =>
              metadata.name.startsWith("of-")
                ? [`${metadata.namespace}/${metadata.name.slice(3)}`]
                : [],
          },
        ],
        workers: 4,
        log,
        reconcile: async (key) => {
          reconciles += 1;
          const [namespace = "", name = ""] = key.split("/");
          const found = cluster.get<Widget>(WIDGET, namespace, name);
          const child = cluster.get(CONFIG_MAP, namespace, `of-${name}`);
          if (found === undefined) {
            if (child !== undefined) await cluster.remove(CONFIG_MAP, child);
            return {};
          }
          await cluster.apply(CONFIG_MAP, configMap(name, found.spec?.size ?? 0));
          await cluster.applyStatus<Widget>(WIDGET, found, { phase: "Ready" });
          return {};
        },
      });
    }

    function configMap(name: string, size: number) {
      const metadata = { namespace: "default", name: `of-${name}` };
      return { apiVersion: "v1", kind: "ConfigMap", metadata, data: { size: String(size) } };
    }

    async function put(name: string, size: number): Promise<void> {
      await admin.json({
        method: "PATCH",
        path: objectPath(WIDGET, "default", name),
        query: { fieldManager: "admin", force: true },
        contentType: "application/apply-patch+yaml",
        body: widget(name, { spec: { size } }),
      });
    }

    function sizeOf(name: string): string | undefined {
      const child = one.cluster.get<ReturnType<typeof configMap>>(
        CONFIG_MAP,
        "default",
        `of-${name}`,
      );
      return child?.data.size;
    }

    it("F28: converges, then rests: no write and no reconcile", async () => {
      control();
      const names = Array.from({ length: 20 }, (_, at) => `r${at}`);
      await Promise.all(names.map((name) => put(name, 1)));
      await eventually("converged", () => names.every((name) => sizeOf(name) === "1"));
      const counted = (): Promise<number> =>
        readAudit(apiserver.auditLog).then(
          (writes) => writes.filter(({ userAgent }) => userAgent.startsWith("pilotlight")).length,
        );
      const rested = await restsAt(async () => `${reconciles} ${await counted()}`);
      // Each Widget: created, its ConfigMap seen, its status seen; and some of these fall together.
      assert(reconciles <= 20 * 4, `${reconciles} reconciles; at rest: ${rested}`);
      await put("r0", 2);
      await eventually("followed", () => sizeOf("r0") === "2");
    });

    it("F07, F10: goes on after kill -9 of the API server in the middle of it", async () => {
      control();
      const names = Array.from({ length: 30 }, (_, at) => `k${at}`);
      await Promise.all(names.map((name) => put(name, 1)));
      await eventually("under way", () => sizeOf("k0") !== undefined);
      await apiserver.kill();
      await apiserver.start();
      await Promise.all(names.map((name) => put(name, 2)));
      await eventually("converged", () => names.every((name) => sizeOf(name) === "2"), 45_000);
      await admin.json({ method: "DELETE", path: collectionPath(WIDGET, "default") });
      await eventually(
        "cleaned up",
        () => names.every((name) => sizeOf(name) === undefined),
        45_000,
      );
    });

    /** The value that has not changed for two seconds. */
    async function restsAt(value: () => Promise<string>): Promise<string> {
      let last = { text: "", sinceMs: performance.now() };
      return eventually("rest", async () => {
        const text = await value();
        if (text !== last.text) last = { text, sinceMs: performance.now() };
        return performance.now() - last.sinceMs > 2000 ? text : undefined;
      });
    }
  });
});
