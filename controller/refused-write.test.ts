import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { ApiError, type StatusDetails, TransportError } from "./kube/errors.ts";
import { refusalOf } from "./refused-write.ts";

function failure(status: number, message: string, reason = "", details?: StatusDetails): ApiError {
  const call = "PATCH /apis/serving.knative.dev/v1/x";
  return new ApiError(call, { status, reason, message, details });
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
      why: "F30: the namespace is going",
      error: failure(
        403,
        "services is forbidden: unable to create new content in namespace x because it is being terminated",
        "Forbidden",
        { causes: [{ reason: "NamespaceTerminating" }] },
      ),
      reason: "NamespaceTerminating",
    },
    {
      why: "F32: a quota is used up",
      error: failure(403, 'services "x" is forbidden: exceeded quota: team', "Forbidden"),
      reason: "Forbidden",
    },
    {
      why: "F33: the request is larger than the API server reads",
      error: failure(413, "Request entity too large: limit is 3145728", "RequestEntityTooLarge"),
      reason: "ObjectTooLarge",
    },
    {
      why: "F33: the object is larger than etcd takes",
      error: failure(500, "etcdserver: request is too large"),
      reason: "ObjectTooLarge",
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
