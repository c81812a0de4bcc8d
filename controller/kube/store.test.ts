import assert from "node:assert/strict";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import type { KubeObject } from "../cluster.ts";
import { Store, type Change } from "./store.ts";
import { widget } from "./testing/objects.ts";

function told(changes: readonly Change[]): string[] {
  return changes.map(({ type, object }) => {
    const { name, uid, resourceVersion } = object.metadata;
    return `${type} ${name} ${uid} ${resourceVersion}`;
  });
}

describe("Store", () => {
  it("F35: ignores what is not newer than what it has", () => {
    const store = new Store();
    store.upsert(widget("a", 10));
    assert.deepEqual(told(store.upsert(widget("a", 9))), []);
    assert.deepEqual(told(store.upsert(widget("a", 10))), []);
    assert.deepEqual(told(store.upsert(widget("a", 11))), ["updated a uid-a 11"]);
    assert.deepEqual(told(store.remove(widget("a", 10))), [], "an old delete of a newer object");
    assert.equal(store.get("default", "a")?.metadata.resourceVersion, "11");
  });

  it("F19: another uid under the same name is a delete and an add", () => {
    const store = new Store();
    store.upsert(widget("a", 1));
    const changes = store.upsert(widget("a", 5, { uid: "second" }));
    assert.deepEqual(told(changes), ["deleted a uid-a 1", "added a second 5"]);
    assert.deepEqual(told(store.remove(widget("a", 6))), [], "the first one's delete, come late");
    const replaced = store.replace([widget("a", 9, { uid: "third" })]);
    assert.deepEqual(told(replaced), ["deleted a second 5", "added a third 9"]);
  });

  it("F02: a list tells adds, updates and deletes that no watch told", () => {
    const store = new Store();
    store.replace([widget("a", 1), widget("b", 2), widget("c", 3)]);
    const changes = store.replace([widget("b", 2), widget("c", 8), widget("d", 9)]);
    assert.deepEqual(told(changes), ["deleted a uid-a 1", "updated c uid-c 8", "added d uid-d 9"]);
  });

  it("replaces one namespace and leaves the others alone", () => {
    const store = new Store();
    store.replace([widget("a", 1, { namespace: "one" })], "one");
    store.replace([widget("b", 2, { namespace: "two" })], "two");
    assert.deepEqual(told(store.replace([], "two")), ["deleted b uid-b 2"]);
    assert.equal(store.size, 1);
  });

  it("finds by label, through the index and without it, also after the label changed", () => {
    for (const indexLabels of [[], ["app"]]) {
      const store = new Store({ indexLabels });
      store.upsert(widget("a", 1, { labels: { app: "x" } }));
      store.upsert(widget("b", 2, { labels: { app: "x" }, namespace: "other" }));
      const named = (value: string): string[] =>
        store.labelled("default", "app", value).map(({ metadata }) => metadata.name);
      assert.deepEqual(named("x"), ["a"]);
      store.upsert(widget("a", 3, { labels: { app: "y" } }));
      assert.deepEqual([named("x"), named("y")], [[], ["a"]]);
    }
  });

  it("I15: hands out objects that cannot be changed, and without managedFields", () => {
    const store = new Store();
    store.upsert(widget("a", 1, { labels: { app: "x" }, managedFields: [{}] }));
    const kept = store.get("default", "a");
    assert(kept !== undefined);
    assert.equal(kept.metadata.managedFields, undefined);
    const { labels } = kept.metadata as { labels: Record<string, string> };
    assert.throws(() => {
      labels["app"] = "y";
    }, TypeError);
  });

  it("finds what has no namespace", () => {
    const store = new Store();
    const { namespace: _, ...metadata } = widget("n1", 1).metadata;
    store.upsert({ apiVersion: "v1", kind: "Node", metadata });
    assert.equal(store.get("", "n1")?.metadata.name, "n1");
  });

  it("F27: holds nothing after everything is gone, and agrees with a plain map at all times", () => {
    const step = fc.record({
      name: fc.constantFrom("a", "b", "c"),
      uid: fc.constantFrom("u1", "u2"),
      app: fc.constantFrom("x", "y"),
      gone: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const store = new Store({ indexLabels: ["app"] });
        const model = new Map<string, KubeObject>();
        for (const [at, { name, uid, app, gone }] of steps.entries()) {
          const object = widget(name, at + 1, { uid, labels: { app } });
          if (!gone) {
            store.upsert(object);
            model.set(name, object);
          } else if (model.get(name)?.metadata.uid === uid) {
            store.remove(object);
            model.delete(name);
          }
        }
        for (const value of ["x", "y"]) {
          const want = [...model.values()].filter(
            ({ metadata }) => metadata.labels?.["app"] === value,
          );
          const have = store.labelled("default", "app", value);
          assert.deepEqual(new Set(have.map(nameOf)), new Set(want.map(nameOf)));
        }
        assert.equal(store.size, model.size);
        store.replace([]);
        assert.deepEqual([store.size, store.indexSize], [0, 0]);
      }),
    );
  });
});

function nameOf(object: KubeObject): string {
  return object.metadata.name;
}
