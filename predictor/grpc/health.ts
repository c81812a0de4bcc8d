/**
 * grpc.health.v1.Health, for Kubernetes' gRPC probes and load balancers: whether the server is ready.
 * https://github.com/grpc/grpc: doc/health-checking.md
 */
import { status } from "@grpc/grpc-js";
import type {
  sendUnaryData,
  ServerUnaryCall,
  ServiceDefinition,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { decodeMessage, encodeMessage } from "../protocol/protobuf.ts";
import type { Message, MessageType } from "../protocol/protobuf.ts";
import type { Bytes } from "../protocol/tensor.ts";

const request: MessageType = { service: { id: 1, type: "string" } };
/** A ServingStatus. */
const response: MessageType = { status: { id: 1, type: "int" } };
const [serving, notServing] = [1, 2];

/** The server as a whole, and the one service that it has. */
const known = ["", "inference.GRPCInferenceService"];

/** Check alone: clients of Watch take UNIMPLEMENTED as a word to ask again and again. */
export const healthDefinition = {
  Check: {
    path: "/grpc.health.v1.Health/Check",
    requestStream: false,
    responseStream: false,
    requestSerialize: (message: Message) => Buffer.concat(encodeMessage(request, message)),
    requestDeserialize: (bytes: Buffer) => decodeMessage(request, bytes as unknown as Bytes),
    responseSerialize: (message: Message) => Buffer.concat(encodeMessage(response, message)),
    responseDeserialize: (bytes: Buffer) => decodeMessage(response, bytes as unknown as Bytes),
  },
} satisfies ServiceDefinition;

/** `ready` says what readiness says over HTTP. */
export function healthService(ready: () => boolean): UntypedServiceImplementation {
  return {
    Check: (call: ServerUnaryCall<Message, Message>, answer: sendUnaryData<Message>): void => {
      const name = (call.request["service"] ?? "") as string;
      if (known.includes(name)) answer(null, { status: ready() ? serving : notServing });
      else
        answer({ code: status.NOT_FOUND, details: `there is no service ${JSON.stringify(name)}` });
    },
  };
}
