import { ApiError } from "../errors.ts";
import type { KubeHttp, KubeRequest, KubeStream } from "../http.ts";

/** A watch whose frames the test sends. */
export class FakeStream {
  abandoned = false;
  closed = false;
  readonly #chunks: Uint8Array[] = [];
  #end: { readonly error: Error | undefined } | undefined;
  #wake: () => void = () => {};

  frame(type: string, object: unknown): void {
    this.bytes(`${JSON.stringify({ type, object })}\n`);
  }

  bytes(text: string): void {
    this.#chunks.push(Buffer.from(text));
    this.#wake();
  }

  /** The server ends the watch: in good order, or with an error. */
  end(error?: Error): void {
    this.#end ??= { error };
    this.#wake();
  }

  open(signal: AbortSignal | undefined): KubeStream {
    const close = (): void => {
      this.closed = true;
      this.end(new Error("closed by the reader"));
    };
    signal?.addEventListener("abort", close, { once: true });
    return {
      chunks: this.#read(),
      close,
      abandon: () => {
        this.abandoned = true;
        close();
      },
    };
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      for (let next = this.#chunks.shift(); next !== undefined; next = this.#chunks.shift()) {
        yield next;
      }
      if (this.#end?.error !== undefined) throw this.#end.error;
      if (this.#end !== undefined) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

type Answer = unknown;

/** An API server that says what the test tells it to, and keeps what it was asked. */
export class FakeHttp implements KubeHttp {
  readonly requests: KubeRequest[] = [];
  /** Decides each answer: a value, or an Error to be thrown. */
  answer: (request: KubeRequest) => Answer = () => {
    throw new Error("the test has no answer");
  };
  /** Decides each watch. */
  watch: (request: KubeRequest) => FakeStream | Error = () => new FakeStream();

  async json<T>(request: KubeRequest): Promise<T> {
    request.beforeSend?.();
    this.requests.push(request);
    const answer = await this.answer(request);
    request.signal?.throwIfAborted();
    if (answer instanceof Error) throw answer;
    return answer as T;
  }

  async stream(request: KubeRequest): Promise<KubeStream> {
    request.signal?.throwIfAborted();
    this.requests.push(request);
    const stream = this.watch(request);
    if (stream instanceof Error) throw stream;
    return stream.open(request.signal);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  get lists(): KubeRequest[] {
    return this.requests.filter(({ query }) => query?.["watch"] === undefined);
  }

  get watches(): KubeRequest[] {
    return this.requests.filter(({ query }) => query?.["watch"] !== undefined);
  }
}

export function apiError(status: number, reason: string, retryAfterMs?: number): ApiError {
  return new ApiError("TEST", { status, reason, message: "scripted", retryAfterMs });
}
