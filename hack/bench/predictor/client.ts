/** What the load's client processes have in common. They know of HTTP no more than an answer's end. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setPriority } from "node:os";

/** What a client saw. */
export type Tally = {
  /** From sending a request until its answer was there, in milliseconds. */
  readonly latencies: Float64Array;
  readonly failures: number;
  /** From the first request to the last answer. */
  readonly elapsedMs: number;
};

/** A load for a client. */
export type Hammer = {
  readonly port: number;
  /** Whole requests, sent in turn. */
  readonly requests: readonly Uint8Array[];
  readonly ms: number;
  /** Steps of nice. */
  readonly nice: number;
};

/** Gives a client its order, and returns its one answer. Throws if it ends without. */
export async function order<Answer>(child: ChildProcess, what: object, nice = 0): Promise<Answer> {
  if (child.pid !== undefined && nice > 0) setPriority(child.pid, nice);
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`the load's client ended with ${String(code)}`);
  });
  child.send(what);
  const [answer] = await Promise.race([once(child, "message"), ended]);
  await ended.catch(() => {});
  return answer as Answer;
}

/** For a client: answers its one order. */
export function answerOrder<Order>(answer: (order: Order) => unknown): void {
  process.once("message", (what) => {
    void Promise.resolve(answer(what as Order)).then((answered) => {
      process.send?.(answered, () => process.exit(0));
    });
  });
}

const headEnd = Buffer.from("\r\n\r\n");

/** Whether the answer that begins a buffer is a good one, and its length; nothing if it goes on. */
export function readHead(
  answer: Buffer,
): { readonly ok: boolean; readonly bytes: number } | undefined {
  const head = answer.indexOf(headEnd);
  if (head === -1) return undefined;
  const length = /\r\ncontent-length: (\d+)/i.exec(answer.toString("latin1", 0, head))?.[1];
  const ok = answer.toString("latin1", 0, 12) === "HTTP/1.1 200";
  return { ok, bytes: head + headEnd.byteLength + Number(length) };
}
