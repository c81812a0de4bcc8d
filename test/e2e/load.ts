/** Requests without end to one service, counted by what answers: who gets which share. */
import { Agent, request } from "undici";

export interface Counted {
  readonly total: number;
  /** How many were answered so; failures as `status 500` or `no answer`. */
  readonly by: ReadonlyMap<string, number>;
}

export interface Load {
  /** The next `requests` answers from now on. */
  next(requests: number): Promise<Counted>;
  /** Everything since the beginning. */
  all(): Counted;
  /** The lowest percentage that `answer` had in any `requests` answers that followed each other. */
  lowestShare(answer: string, requests: number): number;
  /** Resolves when `answer` has been seen once more. */
  seen(answer: string): Promise<void>;
  stop(): Promise<void>;
}

export interface LoadOptions {
  readonly url: string;
  readonly host: string;
  readonly body: string;
  readonly concurrency: number;
  /** What a body of status 200 says about who answered. */
  readonly who: (body: string) => string;
}

type Listener = (answer: string) => void;

export function startLoad(options: LoadOptions): Load {
  const agent = new Agent({ connections: options.concurrency });
  const answers: string[] = [];
  const listeners = new Set<Listener>();
  const stopped = new AbortController();
  const one = async (): Promise<string> => {
    try {
      const answer = await request(options.url, {
        method: "POST",
        dispatcher: agent,
        headers: { host: options.host, "content-type": "application/json" },
        body: options.body,
      });
      const text = await answer.body.text();
      return answer.statusCode === 200 ? options.who(text) : `status ${answer.statusCode}`;
    } catch {
      return "no answer";
    }
  };
  const worker = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      const answer = await one();
      answers.push(answer);
      for (const listener of listeners) {
        listener(answer);
      }
    }
  };
  const workers = Array.from({ length: options.concurrency }, worker);
  const listen = (until: (answer: string) => boolean): Promise<void> =>
    new Promise((resolve) => {
      const listener: Listener = (answer) => {
        if (until(answer)) {
          listeners.delete(listener);
          resolve();
        }
      };
      listeners.add(listener);
    });
  return {
    next: async (requests) => {
      const by = new Map<string, number>();
      let total = 0;
      await listen((answer) => {
        by.set(answer, (by.get(answer) ?? 0) + 1);
        total += 1;
        return total === requests;
      });
      return { total, by };
    },
    all: () => counted(answers),
    lowestShare: (answer, requests) => lowestShare(answers, answer, requests),
    seen: (wanted) => listen((answer) => answer === wanted),
    stop: async () => {
      stopped.abort();
      await Promise.all(workers);
      await agent.close();
    },
  };
}

function counted(answers: readonly string[]): Counted {
  const by = new Map<string, number>();
  for (const answer of answers) by.set(answer, (by.get(answer) ?? 0) + 1);
  return { total: answers.length, by };
}

/** Of the window that slides over all answers, where it holds the fewest; 100 before it's full. */
export function lowestShare(answers: readonly string[], answer: string, window: number): number {
  let [inside, fewest] = [0, window];
  for (const [index, each] of answers.entries()) {
    if (each === answer) inside++;
    if (index >= window && answers[index - window] === answer) inside--;
    if (index >= window - 1) fewest = Math.min(fewest, inside);
  }
  return (100 * fewest) / window;
}

/** Percent of `answer`. */
export function share({ total, by }: Counted, answer: string): number {
  return (100 * (by.get(answer) ?? 0)) / total;
}
