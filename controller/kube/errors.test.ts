import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { ApiError, failureOfStatus, parseFailure } from "./errors.ts";

const NOW = Date.parse("2030-01-01T00:00:00Z");

describe("parseFailure", () => {
  it("reads a Status", () => {
    const body = JSON.stringify({
      kind: "Status",
      status: "Failure",
      code: 409,
      reason: "Conflict",
      message: "the object has been modified",
      details: { name: "iris", kind: "widgets", causes: [{ field: "spec" }] },
    });
    const failure = parseFailure(409, body, undefined, NOW);
    assert.equal(failure.reason, "Conflict");
    assert.equal(failure.details?.causes?.[0]?.field, "spec");
    assert.equal(
      new ApiError("PATCH /x", failure).message,
      "PATCH /x: 409 Conflict: the object has been modified",
    );
  });

  const waits = [
    { header: "3", body: "{}", ms: 3000, why: "seconds" },
    { header: "Tue, 01 Jan 2030 00:00:07 GMT", body: "{}", ms: 7000, why: "a date" },
    { header: "Tue, 01 Jan 2019 00:00:00 GMT", body: "{}", ms: 0, why: "a date in the past" },
    { header: "soon", body: "{}", ms: undefined, why: "nonsense" },
    { header: "999999", body: "{}", ms: 600_000, why: "more than anyone waits" },
    {
      header: undefined,
      body: '{"kind":"Status","details":{"retryAfterSeconds":2}}',
      ms: 2000,
      why: "in the body",
    },
  ];
  for (const { header, body, ms, why } of waits) {
    it(`F09: Retry-After as ${why}`, () => {
      assert.equal(parseFailure(429, body, header, NOW).retryAfterMs, ms);
    });
  }

  it("takes the text of what is no Status, bounded and without control characters", () => {
    const failure = parseFailure(502, `<html>\u001B[31m\n${"x".repeat(9000)}`, undefined, NOW);
    assert.equal(failure.reason, "");
    // oxlint-disable-next-line no-control-regex -- the absence of control characters is the point
    assert.doesNotMatch(failure.message, /[\u0000-\u001F]/);
    assert(failure.message.length < 2100);
  });

  it("gives an in-stream Status its own code", () => {
    const failure = failureOfStatus({ kind: "Status", code: 410, reason: "Expired", message: "m" });
    assert.equal(failure.status, 410);
    assert.equal(failureOfStatus(null).status, 500, "nonsense is the server's fault");
  });
});
