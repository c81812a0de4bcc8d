/** A model that is replaced where it is kept, without a new revision: asked for again and again. */
import { stat } from "node:fs/promises";
import type { ResolvedModel } from "../repository/repository.ts";
import type { ServedModel } from "../served-model.ts";
import { poll } from "./poll.ts";

export type WatchOptions = {
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  readonly resolve: () => Promise<ResolvedModel>;
  /** Loads another state into executors of its own. */
  readonly open: (model: ResolvedModel) => Promise<ServedModel>;
  /** The new one is loaded: requests go to it from now on. */
  readonly swap: (model: ServedModel) => void;
  /** Copies of earlier states are needed by nobody any more. */
  readonly forgetOlder: () => Promise<void>;
  readonly failed: (reason: string) => void;
};

/**
 * Loads the model anew when its files are others than those that are served. The new one is loaded
 * before the old one leaves, and requests in flight are answered by the old one. What can't be
 * fetched or loaded is reported, once per state, and the old one goes on serving.
 */
export function watchModel(
  first: { readonly seen: string; readonly served: ServedModel },
  options: WatchOptions,
): void {
  let { seen, served } = first;
  const look = async (): Promise<void> => {
    const resolved = await options.resolve();
    const state = await stateOf(resolved);
    if (state === seen) return;
    seen = state;
    const next = await options.open(resolved);
    const before = served;
    served = next;
    options.swap(next);
    await before.retire(next);
    await options.forgetOlder();
  };
  poll(options.intervalMs, look, options);
}

/**
 * What tells a model's files from others in their place. To be asked before they are loaded: what
 * changes under the load is then seen to have changed.
 */
export async function stateOf({ versions }: ResolvedModel): Promise<string> {
  const states = versions.map(async ({ version, path }) => {
    const { size, mtimeMs, ino } = await stat(path);
    return `${version} ${path} ${size} ${mtimeMs} ${ino}`;
  });
  return (await Promise.all(states)).join("\n");
}
