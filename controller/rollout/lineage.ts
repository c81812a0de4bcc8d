/**
 * PURE: which revision is the stable one, and which was before it. KServe keeps both in the status
 * alone and starts anew when that is lost; here the Knative Service itself tells, and the status is
 * only believed for what the service does not say.
 */
import type { KnativeRevision } from "../api/knative-revision.gen.ts";
import type { KnativeService } from "../api/knative-service.gen.ts";
import { liveShare, pinnedRevision } from "../desired/traffic.ts";
import { condition } from "../observe/conditions.ts";

export interface Lineage {
  /** The last revision that got everything; undefined while none did. */
  readonly stable?: string;
  /** The one before; a rollback after a promotion goes there. */
  readonly previous?: string;
}

export interface LineageInput {
  readonly live: KnativeService | undefined;
  /** As the status has it; empty when that was lost. */
  readonly before: Lineage;
  /** Stable by the rollout under way: a revision on trial has not become that yet. */
  readonly onTrial?: string;
  readonly revisions: readonly KnativeRevision[];
}

/** The lineage that the cluster shows. */
export function lineage({ live, before, onTrial, revisions }: LineageInput): Lineage {
  if (live === undefined) {
    return {};
  }
  // A service that was deleted and made again has none of the revisions that the status remembers.
  const exists = revisions.some(({ metadata }) => metadata.name === before.stable);
  const known = (exists ? before.stable : undefined) ?? onTrial ?? pinnedRevision(live);
  const stable = onTrial ?? pinnedRevision(live) ?? everything(live) ?? known;
  if (stable === undefined) {
    return {};
  }
  const previous =
    known === undefined || known === stable
      ? (before.previous ?? readyBefore(stable, revisions))
      : known;
  return { stable, ...(previous === undefined ? {} : { previous }) };
}

/**
 * Lineage for a share below 100: KServe takes a share that is set when the newest revision is the
 * stable one already as the wish to undo its promotion.
 */
export function undone(
  { stable, previous }: Lineage,
  live: KnativeService | undefined,
  revisions: readonly KnativeRevision[],
): Lineage {
  const promoted = stable !== undefined && newestUp(live) && newestCreated(live) === stable;
  const back = promoted && revisions.some(({ metadata }) => metadata.name === previous);
  return back && previous !== undefined
    ? { stable: previous, previous }
    : {
        ...(stable === undefined ? {} : { stable }),
        ...(previous === undefined ? {} : { previous }),
      };
}

/**
 * Whether the revision of the service's present template exists and is ready. Knative sees a change
 * before it makes the revision: ConfigurationsReady alone says that the newest is of this template.
 */
export function newestUp(live: KnativeService | undefined): boolean {
  const status = live?.status;
  return (
    status !== undefined &&
    status.observedGeneration === live?.metadata.generation &&
    status.latestCreatedRevisionName !== undefined &&
    status.latestCreatedRevisionName === status.latestReadyRevisionName &&
    condition(status.conditions, "ConfigurationsReady")?.status === "True"
  );
}

function newestCreated(live: KnativeService | undefined): string | undefined {
  return live?.status?.latestCreatedRevisionName;
}

/** The revision that gets everything, by wish and in truth. */
function everything(live: KnativeService | undefined): string | undefined {
  const routed = live?.status?.traffic?.find(({ latestRevision }) => latestRevision === true);
  return liveShare(live) === 100 && routed?.percent === 100 ? routed.revisionName : undefined;
}

/** The ready revision that was made last before `name`: what there was, when nobody remembers. */
function readyBefore(name: string, revisions: readonly KnativeRevision[]): string | undefined {
  return revisions
    .filter(({ metadata }) => metadata.name < name && metadata.name.length === name.length)
    .filter(({ status }) => condition(status?.conditions, "Ready")?.status === "True")
    .map(({ metadata }) => metadata.name)
    .toSorted()
    .at(-1);
}
