/**
 * Says for which queue key the code runs that is running now, so that writes can be put down to it.
 */
import { AsyncLocalStorage } from "node:async_hooks";

const scope = new AsyncLocalStorage<string>();

export function runForKey<T>(key: string, run: () => T): T {
  return scope.run(key, run);
}

export function currentKey(): string | undefined {
  return scope.getStore();
}
