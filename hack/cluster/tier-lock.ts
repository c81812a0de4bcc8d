/**
 * One cluster tier at a time in a checkout. Two would share its one cluster: each installs its own
 * Pilotlight there, and deletes what it takes for its own.
 */
import { LockHeldError, livingHolder, withLock } from "../go/lock.ts";
import type { ProcessId } from "../go/process-id.ts";
import { pathsOf } from "./built/state.ts";

/** Somebody else's tier runs on the cluster. The message is for a person. */
export class TierRunsError extends Error {
  constructor({ pid }: ProcessId) {
    super(
      `process ${pid} runs the cluster tier of this checkout, which has one cluster: ` +
        `wait until it ends, or end it with kill ${pid}`,
    );
  }
}

/**
 * Runs `work` as the only tier on this checkout's cluster. The lock of a process that is gone is
 * taken over. Throws TierRunsError at once while another lives.
 */
export async function asOnlyTier<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await withLock(pathsOf().tierLockFile, work, { timeoutMs: 0 });
  } catch (error) {
    throw error instanceof LockHeldError ? new TierRunsError(error.holder) : error;
  }
}

/** Throws TierRunsError when a tier runs on this checkout's cluster. */
export async function refuseBesideTier(): Promise<void> {
  const holder = await livingHolder(pathsOf().tierLockFile);
  if (holder !== undefined) {
    throw new TierRunsError(holder);
  }
}
