import type { KubeHttp, KubeRequest } from "../http.ts";
import { apiError } from "./fake-http.ts";

interface LeaseObject {
  readonly metadata: { readonly resourceVersion?: string };
  readonly spec: { readonly holderIdentity?: string; readonly leaseTransitions?: number };
}

/** One Lease with optimistic locking, as the API server keeps it. */
export class FakeLeaseServer {
  lease: LeaseObject | undefined;
  #version = 0;

  get holder(): string | undefined {
    return this.lease?.spec.holderIdentity;
  }

  /** A client's way to it, which a test can cut or hold up. */
  client(): LeaseClient {
    return new LeaseClient(this);
  }

  handle(request: KubeRequest): LeaseObject {
    const body = request.body as LeaseObject | undefined;
    if (request.method === "GET") {
      if (this.lease === undefined) throw apiError(404, "NotFound");
      return this.lease;
    }
    if (body === undefined) throw apiError(400, "BadRequest");
    const current = this.lease?.metadata.resourceVersion;
    if (request.method === "POST" && current !== undefined) throw apiError(409, "AlreadyExists");
    if (request.method === "PUT" && body.metadata.resourceVersion !== current) {
      throw apiError(409, "Conflict");
    }
    this.#version += 1;
    this.lease = {
      ...body,
      metadata: { ...body.metadata, resourceVersion: String(this.#version) },
    };
    return this.lease;
  }
}

export class LeaseClient implements Pick<KubeHttp, "json"> {
  /** Thrown instead of an answer while set. */
  cut: Error | undefined;
  /** Answers wait for it while set. */
  hold: Promise<void> | undefined;
  calls = 0;
  readonly #server: FakeLeaseServer;

  constructor(server: FakeLeaseServer) {
    this.#server = server;
  }

  async json<T>(request: KubeRequest): Promise<T> {
    this.calls += 1;
    if (this.cut !== undefined) throw this.cut;
    const answer = this.#server.handle(request);
    await this.hold;
    return answer as T;
  }
}
