import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import type { KubeObject } from "../cluster.ts";
import { ApiError, LeaseLostError, TransportError } from "./errors.ts";
import { noMetrics } from "./hooks.ts";
import { apiError, FakeHttp } from "./testing/fake-http.ts";
import { WIDGET, widget } from "./testing/objects.ts";
import { createWrites, noFence, type Fence, type Writes } from "./write.ts";

const PATH = "/apis/test.pilotlight.dev/v1/namespaces/default/widgets/a";

describe("writes", () => {
  let http: FakeHttp;

  beforeEach(() => {
    http = new FakeHttp();
    http.answer = () => widget("a", 7);
  });

  function writes(fence: Fence = noFence): Writes {
    return createWrites({ http, fence, metrics: noMetrics });
  }

  it("applies by server-side apply, forced, under one field manager", async () => {
    const applied = await writes().apply(WIDGET, widget("a", 1));
    await writes().applyStatus(WIDGET, widget("a", 1), {});
    assert.equal(applied.metadata.resourceVersion, "7");
    assert(Object.isFrozen(applied.metadata));
    assert.deepEqual(
      http.requests.map(({ method, path, query, contentType }) => ({
        method,
        path,
        query,
        contentType,
      })),
      [PATH, `${PATH}/status`].map((path) => ({
        method: "PATCH",
        path,
        query: {
          fieldManager: "pilotlight-controller",
          force: true,
          fieldValidation: "Ignore",
        },
        contentType: "application/apply-patch+yaml",
      })),
    );
  });

  it("makes only what is not there", async () => {
    await writes().applyNew(WIDGET, widget("a", 1));
    const body = http.requests[0]?.body as KubeObject | undefined;
    assert.equal(body?.metadata.resourceVersion, "0");
    for (const exists of [
      apiError(409, "AlreadyExists"),
      invalidField("metadata.resourceVersion"),
    ]) {
      http.answer = () => exists;
      assert.equal(await writes().applyNew(WIDGET, widget("a", 1)), undefined);
    }
    http.answer = () => invalidField("spec.size");
    await assert.rejects(writes().applyNew(WIDGET, widget("a", 1)), /Invalid/);
  });

  it("removes that very object, in the background", async () => {
    await writes().remove(WIDGET, widget("a", 1));
    const [request] = http.requests;
    assert.equal(`${request?.method} ${request?.path}`, `DELETE ${PATH}`);
    assert.deepEqual(request?.body, {
      apiVersion: "v1",
      kind: "DeleteOptions",
      propagationPolicy: "Background",
      preconditions: { uid: "uid-a" },
    });
  });

  it("F19: absent, or another under that name, is as good as removed; the rest is not", async () => {
    for (const [status, reason] of [
      [404, "NotFound"],
      [409, "Conflict"],
    ] as const) {
      http.answer = () => apiError(status, reason);
      await writes().remove(WIDGET, widget("a", 1));
    }
    http.answer = () => apiError(403, "Forbidden");
    await assert.rejects(writes().remove(WIDGET, widget("a", 1)), /Forbidden/);
  });

  it("refuses to remove what it has no uid of", async () => {
    const { uid: _, ...metadata } = widget("a", 1).metadata;
    await assert.rejects(writes().remove(WIDGET, { ...widget("a", 1), metadata }), /needs its uid/);
  });

  it("reads metadata without asking for the rest", async () => {
    const metadata = await writes().readMetadata(WIDGET, "default", "a");
    assert.equal(metadata?.uid, "uid-a");
    assert.match(http.requests[0]?.accept ?? "", /;as=PartialObjectMetadata;/);
    http.answer = () => apiError(404, "NotFound");
    assert.equal(await writes().readMetadata(WIDGET, "default", "a"), undefined);
  });

  it("reads: absent is undefined, trouble is thrown", async () => {
    assert.equal((await writes().read(WIDGET, "default", "a"))?.metadata.uid, "uid-a");
    http.answer = () => apiError(404, "NotFound");
    assert.equal(await writes().read(WIDGET, "default", "a"), undefined);
    http.answer = () => new TransportError("reset");
    await assert.rejects(writes().read(WIDGET, "default", "a"), TransportError);
  });

  it("F12: without the lease nothing is sent; reads are", async () => {
    const lost = writes({ mayWrite: () => false, remainingMs: () => 0 });
    await assert.rejects(lost.apply(WIDGET, widget("a", 1)), LeaseLostError);
    await assert.rejects(lost.applyStatus(WIDGET, widget("a", 1), {}), LeaseLostError);
    await assert.rejects(lost.remove(WIDGET, widget("a", 1)), LeaseLostError);
    assert.equal(http.requests.length, 0);
    assert.notEqual(await lost.read(WIDGET, "default", "a"), undefined);
  });

  it("F12: no answer is waited for beyond the lease", async () => {
    const fence = { mayWrite: () => true, remainingMs: () => 1234 };
    await writes(fence).apply(WIDGET, widget("a", 1));
    await writes().apply(WIDGET, widget("a", 1));
    assert.deepEqual(
      http.requests.map(({ deadlineMs }) => deadlineMs),
      [1234, 10_000],
    );
  });
});

function invalidField(field: string): ApiError {
  return new ApiError("TEST", {
    status: 422,
    reason: "Invalid",
    message: "scripted",
    details: { causes: [{ reason: "FieldValueInvalid", message: "scripted", field }] },
  });
}
