import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { Consistency } from "./consistency.ts";
import { Store } from "./store.ts";
import { WIDGET, widget } from "./testing/objects.ts";

describe("Consistency (F01)", () => {
  let store: Store;
  let lastSyncRV: string | undefined;
  let consistency: Consistency;

  beforeEach(() => {
    store = new Store();
    lastSyncRV = "10";
    consistency = new Consistency({
      lastSyncRV: () => lastSyncRV,
      get: (_, namespace, name) => store.get(namespace, name),
    });
  });

  it("waits for the own write, for that key alone", () => {
    consistency.wrote("default/k", WIDGET, widget("a", 20));
    assert.equal(consistency.caughtUp("default/k"), false);
    assert.equal(consistency.caughtUp("default/other"), true);
    store.upsert(widget("a", 19));
    assert.equal(consistency.caughtUp("default/k"), false);
    store.upsert(widget("a", 20));
    assert.equal(consistency.caughtUp("default/k"), true);
    assert.equal(consistency.size, 0);
  });

  it("waits for each of several writes, and for the last one to an object", () => {
    consistency.wrote("k", WIDGET, widget("a", 20));
    consistency.wrote("k", WIDGET, widget("b", 21));
    consistency.wrote("k", WIDGET, widget("a", 22));
    store.upsert(widget("a", 20));
    store.upsert(widget("b", 21));
    assert.equal(consistency.caughtUp("k"), false);
    store.upsert(widget("a", 23));
    assert.equal(consistency.caughtUp("k"), true);
  });

  it("is satisfied by a cache that is beyond the write, though it does not show the object", () => {
    consistency.wrote("k", WIDGET, widget("hidden", 20));
    lastSyncRV = "19";
    assert.equal(consistency.caughtUp("k"), false);
    lastSyncRV = "20";
    assert.equal(consistency.caughtUp("k"), true);
  });

  it("waits for a delete until that object is gone, whoever has its name then", () => {
    store.upsert(widget("a", 5));
    consistency.removed("k", WIDGET, widget("a", 5));
    assert.equal(consistency.caughtUp("k"), false);
    store.upsert(widget("a", 30, { uid: "second" }));
    assert.equal(consistency.caughtUp("k"), true);
  });

  it("has nothing to wait for when the write changed nothing, or the kind is not watched", () => {
    store.upsert(widget("a", 5));
    consistency.wrote("k", WIDGET, widget("a", 5));
    assert.equal(consistency.caughtUp("k"), true);
    lastSyncRV = undefined;
    consistency.wrote("k", WIDGET, widget("b", 50));
    assert.equal(consistency.size, 0);
  });

  it("F27: remembers at most 256 objects of one key, and forgets when told", () => {
    for (let at = 0; at < 300; at += 1) consistency.wrote("k", WIDGET, widget(`w${at}`, 100));
    for (let at = 44; at < 300; at += 1) store.upsert(widget(`w${at}`, 100));
    assert.equal(consistency.caughtUp("k"), true, "the oldest 44 were given up");
    consistency.wrote("k", WIDGET, widget("x", 200));
    consistency.forget("k");
    assert.equal(consistency.size, 0);
  });
});
