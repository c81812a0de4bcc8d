/**
 * Sends payload events to their sink, a few at a time, from a bounded queue. A sink that is slow or
 * gone costs events, which are counted, and never a request.
 */
import type { PayloadEvent, PayloadSink } from "./payload-log.ts";

/** What became of an event; the label of the metric. */
export const payloadOutcomes = ["sent", "failed", "dropped", "too-large"] as const;
export type PayloadOutcome = (typeof payloadOutcomes)[number];

export type PayloadSinkOptions = {
  readonly url: string;
  readonly counted: (outcome: PayloadOutcome) => void;
  /** Told of the first failure after a success, not of each. */
  readonly onFailure: (reason: string) => void;
  readonly limits?: Partial<PayloadLimits>;
};

export type PayloadLimits = {
  /** Events that may wait, and their bytes. */
  readonly eventsMax: number;
  readonly bytesMax: number;
  /** A larger body is not logged. */
  readonly bodyBytesMax: number;
  readonly timeoutMs: number;
};

const defaults: PayloadLimits = {
  eventsMax: 1000,
  bytesMax: 64 * 1024 * 1024,
  bodyBytesMax: 4 * 1024 * 1024,
  timeoutMs: 10_000,
};
/** One connection each: the sink's latency must not bound the throughput to one event a round trip. */
const sendersMax = 4;

export class HttpPayloadSink implements PayloadSink {
  readonly #options: PayloadSinkOptions;
  readonly #limits: PayloadLimits;
  readonly #waiting: PayloadEvent[] = [];
  readonly #senders = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #bytes = 0;
  #failing = false;

  constructor(options: PayloadSinkOptions) {
    this.#options = options;
    this.#limits = { ...defaults, ...options.limits };
  }

  offer(event: PayloadEvent): void {
    const { eventsMax, bytesMax, bodyBytesMax } = this.#limits;
    const { counted } = this.#options;
    const size = event.body.byteLength;
    if (size > bodyBytesMax) return counted("too-large");
    if (this.#waiting.length >= eventsMax || this.#bytes + size > bytesMax) {
      return counted("dropped");
    }
    this.#waiting.push(event);
    this.#bytes += size;
    if (this.#senders.size >= sendersMax) return undefined;
    const sender = this.#send().finally(() => this.#senders.delete(sender));
    this.#senders.add(sender);
    return undefined;
  }

  /** Sends what waits, for so long at most; the rest counts as dropped. */
  async close(limitMs: number): Promise<void> {
    const timer = setTimeout(() => this.#closing.abort(), limitMs);
    await Promise.all(this.#senders);
    clearTimeout(timer);
  }

  async #send(): Promise<void> {
    for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift()) {
      this.#bytes -= event.body.byteLength;
      if (this.#closing.signal.aborted) this.#options.counted("dropped");
      else await this.#post(event);
    }
  }

  async #post({ headers, body }: PayloadEvent): Promise<void> {
    const { url, counted } = this.#options;
    const timeout = AbortSignal.timeout(this.#limits.timeoutMs);
    try {
      const response = await fetch(url, {
        method: "POST",
        headers,
        body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
        redirect: "error",
        signal: AbortSignal.any([timeout, this.#closing.signal]),
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`the sink answered ${response.status}`);
      this.#failing = false;
      counted("sent");
    } catch (error) {
      counted("failed");
      if (!this.#failing) this.#options.onFailure(reasonOf(error));
      this.#failing = true;
    }
  }
}

/** fetch hides the reason in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
