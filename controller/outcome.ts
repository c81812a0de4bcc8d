/** What a reconcile came to. A throw is the fourth outcome: try again with backoff. */

export type Outcome =
  /** Nothing to do until something changes. */
  | { readonly kind: "settled" }
  /** Somebody else is at work; look again after a while even if no event comes. */
  | { readonly kind: "waiting"; readonly afterMs: number; readonly reason: string }
  /** The user or the administrator must change something; a change wakes the key. */
  | { readonly kind: "refused"; readonly reason: string; readonly message: string };

export const SETTLED: Outcome = { kind: "settled" };
