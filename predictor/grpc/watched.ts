/** An inference over gRPC before those who look on. */
import { status } from "@grpc/grpc-js";
import type { WorkResult } from "../batch/batcher.ts";
import type { ServingError } from "../errors.ts";
import { statuses } from "../http/answer.ts";
import { requestIdOf } from "../observe/request-id.ts";
import type { Subject, Watcher } from "../observe/watch.ts";
import { methods } from "../protocol/grpc-messages.ts";
import { encodeMessage } from "../protocol/protobuf.ts";
import type { Message } from "../protocol/protobuf.ts";
import type { Call } from "./service.ts";
import { codes } from "./status.ts";

export type WatchedCall = {
  ran(result: WorkResult): void;
  answered(message: Message): void;
  failed(fault: ServingError): void;
};

/** Tells them of the request, and then what becomes of it; nothing when nobody looks on. */
export function watchCall(
  watcher: Watcher | undefined,
  call: Call,
  target: Pick<Subject, "model" | "version">,
): WatchedCall | undefined {
  if (watcher === undefined) return undefined;
  const headers = call.headers();
  const requestId = requestIdOf(headers, call.place);
  const request = { method: "POST", url: call.path, headers, requestId };
  const watch = watcher({ protocol: "grpc", ...request, ...target });
  watch?.received?.(call.received);
  return {
    ran: (result) => watch?.ran?.(result),
    answered: (message) => {
      // In pieces, the tensors being themselves: it costs no copy of them.
      const body = encodeMessage(methods.ModelInfer.response, message);
      watch?.answered({ status: 200, grpcStatus: "OK", body });
    },
    failed: (fault) => {
      const grpcStatus = status[codes[fault.code]];
      watch?.answered({ status: statuses[fault.code], grpcStatus, fault });
    },
  };
}
