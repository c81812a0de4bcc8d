/** A gRPC client for tests that knows the service from inference.proto and none of our code. */
import { fileURLToPath } from "node:url";
import { credentials, loadPackageDefinition, Metadata } from "@grpc/grpc-js";
import type { CallOptions, ChannelOptions, ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { TestPredictor } from "../../testing/test-predictor.ts";

/** The port that a predictor has for gRPC, once it listens there. */
export async function grpcPort(predictor: TestPredictor): Promise<number> {
  await predictor.logged("gRPC listening");
  const ports = predictor.log.map((line) => (line as { grpcPort?: number }).grpcPort);
  return ports.find((port) => port !== undefined) ?? 0;
}

type Raw = Record<string, (...args: unknown[]) => unknown> & { close(): void };
type ServiceConstructor = new (
  address: string,
  credentials: unknown,
  options: ChannelOptions,
) => Raw;

export type Outcome = { code: number; details: string; message: Record<string, unknown> };

export class GrpcTestClient implements Disposable {
  readonly #raw: Raw;

  /** @param at A port of this machine's loopback, or a host and port. */
  constructor(at: number | string, options: ChannelOptions = {}) {
    const path = fileURLToPath(new URL("../inference.proto", import.meta.url));
    const definition = loadSync(path, { keepCase: true, longs: String, defaults: true });
    const root = loadPackageDefinition(definition) as unknown as {
      inference: { GRPCInferenceService: ServiceConstructor };
    };
    const service = root.inference.GRPCInferenceService;
    const address = typeof at === "number" ? `127.0.0.1:${at}` : at;
    this.#raw = new service(address, credentials.createInsecure(), options);
  }

  /** One call; a status other than OK is a code here, not an exception. */
  async call(
    method: string,
    request: object,
    {
      token,
      headers = {},
      ...options
    }: CallOptions & { token?: string; headers?: Record<string, string> } = {},
  ): Promise<Outcome> {
    const metadata = metadataOf(headers);
    if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const answered = (error: ServiceError | null, message?: Record<string, unknown>): void =>
      resolve(
        error === null
          ? { code: 0, details: "", message: message ?? {} }
          : { code: error.code, details: error.details, message: {} },
      );
    this.#raw[method]?.(request, metadata, options, answered);
    return promise;
  }

  stream(
    method: string,
    headers: Record<string, string> = {},
  ): ClientDuplexStream<object, Record<string, unknown>> {
    return this.#raw[method]?.(metadataOf(headers)) as ClientDuplexStream<
      object,
      Record<string, unknown>
    >;
  }

  [Symbol.dispose](): void {
    this.#raw.close();
  }
}

function metadataOf(headers: Record<string, string>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}
