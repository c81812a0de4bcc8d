/** Which revisions get which share of a component's requests. */
import type { KnativeService } from "../api/knative-service.gen.ts";

export type Traffic = NonNullable<NonNullable<KnativeService["spec"]>["traffic"]>;

/** Everything goes to the newest revision that is ready. */
export function traffic(): Traffic {
  return [{ latestRevision: true, percent: 100 }];
}
