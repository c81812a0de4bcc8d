/**
 * status.history: which revision of the predictor served when, who asked for it, and what became of
 * it. Entries are only ever added and closed: what is known of a revision when it appears (its
 * generation, its model, its author) is not known later, when the spec says something else. Only
 * the digest follows what its pods serve.
 */
import type { HistoryEntry, InferenceService, RolloutStatus } from "../api/inferenceservice.gen.ts";
import type { KnativeRevision } from "../api/knative-revision.gen.ts";
import { modelOf } from "../desired/framework.ts";
import { author } from "./author.ts";
import type { RevisionDigests } from "./digests.ts";
import type { Rolled } from "./rollout-status.ts";
import { revisionsOf, type View } from "./view.ts";

/** As many as the CRD admits. */
export const HISTORY_MAX = 20;

export interface HistoryInput {
  readonly isvc: InferenceService;
  /** The predictor's. */
  readonly view: View;
  /** Undefined when nothing was decided, because the spec was refused. */
  readonly rolled: Rolled | undefined;
  /** Digests of the models, as far as their servers told them. */
  readonly digests: RevisionDigests;
  /** RFC 3339. */
  readonly now: string;
}

/** The history after what is seen now, newest first. */
export function history(input: HistoryInput): readonly HistoryEntry[] {
  const { isvc, view, rolled, digests, now } = input;
  const before = isvc.status?.history ?? [];
  if (view.stopped !== true && rolled === undefined) {
    return before;
  }
  if (rolled === undefined || view.newest === undefined) {
    // Knative names the newest revision of a service once and for all: this one is new, or gone.
    return ended(before, now);
  }
  const present = before.slice(0, endOfPresent(before));
  const entries = [...appeared(input, present), ...present]
    .toSorted((a, b) => (a.revision < b.revision ? 1 : -1))
    .map((entry) => {
      const digest = digestOf(entry, digests.get(entry.revision) ?? []);
      const known = digest === undefined ? entry : { ...entry, modelDigest: digest };
      return closed(known, outcomeOf(known, view, rolled), now);
    });
  return [...entries, ...before.slice(present.length)].slice(0, HISTORY_MAX);
}

/**
 * With the service its revisions are deleted, and Knative counts those after it from 1 again: what
 * served, and the newest in any case, is closed, so that the next ones are not taken for it.
 */
function ended(before: readonly HistoryEntry[], now: string): readonly HistoryEntry[] {
  return before.map((entry, at) =>
    at === 0 || isOpen(entry) ? closed(entry, { ...kept(entry), outcome: "Stopped" }, now) : entry,
  );
}

function isOpen({ outcome = "Deploying" }: HistoryEntry): boolean {
  return ["Deploying", "Canary", "Serving", "Promoted"].includes(outcome);
}

/** How many entries there are since the service was made last. */
function endOfPresent(before: readonly HistoryEntry[]): number {
  const past = before.findIndex(({ outcome }) => outcome === "Stopped");
  return past === -1 ? before.length : past;
}

/** What its pods tell now; while they tell several, what it was before. */
function digestOf({ modelDigest }: HistoryEntry, told: readonly string[]): string | undefined {
  const [first = modelDigest, ...others] = told;
  const kept = others.length > 0 && modelDigest !== undefined && told.includes(modelDigest);
  return kept ? modelDigest : first;
}

/** Entries of revisions that have none yet among those of the present service. */
function appeared(
  { isvc, view }: HistoryInput,
  present: readonly HistoryEntry[],
): readonly HistoryEntry[] {
  const known = new Set(present.map(({ revision }) => revision));
  const oldest = present.at(-1)?.revision ?? "";
  return revisionsOf("predictor", view.revisions)
    .filter(({ metadata: { name } }) => !known.has(name) && (!isFull(present) || name > oldest))
    .flatMap((revision) => {
      const { name } = revision.metadata;
      const isNewest = name === view.newest;
      if (view.newest === undefined || name > view.newest) {
        // Knative has yet to call it the newest: then it is known whose it is.
        return [];
      }
      // Until Knative has seen what was applied, its newest revision may be of the spec before.
      return isNewest && !view.fresh ? [] : [isNewest ? ofSpec(isvc, revision) : bare(revision)];
    });
}

function isFull(entries: readonly HistoryEntry[]): boolean {
  return entries.length >= HISTORY_MAX;
}

/** Of the newest revision: it is what the present spec asked for. */
function ofSpec(isvc: InferenceService, revision: KnativeRevision): HistoryEntry {
  const { generation } = isvc.metadata;
  const storageUri = modelOf(isvc.spec.predictor)?.model.storageUri;
  const { manager, time } = author(isvc.metadata) ?? {};
  return {
    ...bare(revision),
    ...(generation === undefined ? {} : { generation }),
    ...(storageUri === undefined ? {} : { storageUri }),
    ...(manager === undefined ? {} : { appliedBy: manager }),
    ...(time === undefined ? {} : { appliedAt: time }),
  };
}

/** Of a revision that came and went unseen, or whose entry was lost. */
function bare({ metadata }: KnativeRevision): HistoryEntry {
  const { name, creationTimestamp } = metadata;
  return {
    revision: name,
    ...(creationTimestamp === undefined ? {} : { appliedAt: creationTimestamp }),
    outcome: "Deploying",
  };
}

type Outcome = NonNullable<HistoryEntry["outcome"]>;

interface Verdict {
  readonly outcome: Outcome;
  readonly reason?: string;
}

function outcomeOf(entry: HistoryEntry, view: View, { lineage, rollout }: Rolled): Verdict {
  const { revision } = entry;
  const outcome = entry.outcome ?? "Deploying";
  if (revision === lineage.stable) {
    return { outcome: outcome === "Promoted" || wasTried(outcome) ? "Promoted" : "Serving" };
  }
  if (rolledBackBy(rollout, revision)) {
    return { outcome: "RolledBack", reason: `${rollout?.reason}: ${rollout?.message}` };
  }
  if (outcome === "Serving" || outcome === "Promoted") {
    const back = lineage.stable !== undefined && lineage.stable < revision;
    return back ? BY_HAND : { outcome: "Superseded" };
  }
  if (revision !== view.newest) {
    return wasTried(outcome) || outcome === "Deploying" ? { outcome: "Superseded" } : kept(entry);
  }
  if (view.trouble?.fatal === true) {
    return { outcome: "Failed", reason: `${view.trouble.reason}: ${view.trouble.message}` };
  }
  const share = view.shares.find((one) => one.revision === revision);
  if (share !== undefined && lineage.stable !== undefined) {
    return { outcome: "Canary" };
  }
  return wasTried(outcome) ? BY_HAND : outcome === "RolledBack" ? kept(entry) : DEPLOYING;
}

const BY_HAND: Verdict = { outcome: "RolledBack", reason: "ByHand: canaryTrafficPercent was set" };
const DEPLOYING: Verdict = { outcome: "Deploying" };

function kept({ outcome = "Deploying", reason }: HistoryEntry): Verdict {
  return { outcome, ...(reason === undefined ? {} : { reason }) };
}

function wasTried(outcome: Outcome): boolean {
  return outcome === "Canary";
}

function rolledBackBy(rollout: RolloutStatus | undefined, revision: string): boolean {
  return rollout?.phase === "RolledBack" && rollout.revision === revision;
}

/** The entry with its outcome, and with the times at which serving began and ended. */
function closed(entry: HistoryEntry, { outcome, reason }: Verdict, now: string): HistoryEntry {
  const { reason: _reason, servingUntil: _until, ...rest } = entry;
  const serves = outcome === "Serving" || outcome === "Promoted";
  const until = entry.servingFrom === undefined || serves ? undefined : (entry.servingUntil ?? now);
  return {
    ...rest,
    outcome,
    ...(reason === undefined ? {} : { reason }),
    ...(serves && entry.servingFrom === undefined ? { servingFrom: now } : {}),
    ...(until === undefined ? {} : { servingUntil: until }),
  };
}
