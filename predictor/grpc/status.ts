/** The one table from faults to statuses of gRPC. */
import { status } from "@grpc/grpc-js";
import type { ServingErrorCode } from "../errors.ts";

export const codes: Readonly<Record<ServingErrorCode, status>> = {
  invalid: status.INVALID_ARGUMENT,
  unauthorized: status.UNAUTHENTICATED,
  "not-found": status.NOT_FOUND,
  "method-not-allowed": status.UNIMPLEMENTED,
  "not-implemented": status.UNIMPLEMENTED,
  "too-large": status.RESOURCE_EXHAUSTED,
  "unsupported-encoding": status.UNIMPLEMENTED,
  overloaded: status.RESOURCE_EXHAUSTED,
  gone: status.CANCELLED,
  failed: status.INTERNAL,
  "not-ready": status.UNAVAILABLE,
  deadline: status.DEADLINE_EXCEEDED,
  "timed-out": status.DEADLINE_EXCEEDED,
};
