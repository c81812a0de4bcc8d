import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { ApiError, TransportError } from "./kube/errors.ts";
import { refusalOf } from "./refused-write.ts";

function failure(status: number, message: string, reason = ""): ApiError {
  return new ApiError("PATCH /apis/serving.knative.dev/v1/x", { status, reason, message });
}

describe("refused writes", () => {
  for (const { why, error, reason } of [
    {
      why: "Knative's webhook says no",
      error: failure(
        400,
        'admission webhook "validation.webhook.serving.knative.dev" denied the request: must not set the field(s): spec.template.spec.nodeSelector',
        "BadRequest",
      ),
      reason: "KnativeRefused",
    },
    {
      why: "a schema says no",
      error: failure(422, "spec is invalid", "Invalid"),
      reason: "KnativeRefused",
    },
    {
      why: "a policy says no",
      error: failure(403, 'admission webhook "x" denied the request: no', "Forbidden"),
      reason: "KnativeRefused",
    },
    {
      why: "RBAC says no",
      error: failure(403, "User cannot patch", "Forbidden"),
      reason: "Forbidden",
    },
    {
      why: "the kind is not served",
      error: failure(404, "page not found"),
      reason: "KnativeNotInstalled",
    },
    {
      why: "a field has the wrong type",
      error: failure(500, "failed to create typed patch object: expected string", ""),
      reason: "KnativeRefused",
    },
    {
      why: "the webhook is dead",
      error: failure(
        500,
        "Internal error occurred: failed calling webhook: refused",
        "InternalError",
      ),
      reason: "KnativeUnavailable",
    },
  ]) {
    it(`${why}: ${reason}`, () => {
      assert.equal(refusalOf(error)?.reason, reason);
    });
  }

  it("the sentence is the API server's, without our own request line", () => {
    assert.equal(refusalOf(failure(422, "spec is invalid", "Invalid"))?.message, "spec is invalid");
  });

  for (const error of [
    failure(409, "conflict", "Conflict"),
    failure(429, "slow down", "TooManyRequests"),
    failure(500, "etcd has no leader", "InternalError"),
    failure(503, "unavailable", "ServiceUnavailable"),
    new TransportError("reset"),
    new Error("bug"),
  ]) {
    it(`backoff cures: ${error.message}`, () => {
      assert.equal(refusalOf(error), undefined);
    });
  }
});
