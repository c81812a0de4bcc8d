/**
 * Who gets which share of the requests, as a Knative Service's traffic list. KServe's semantics
 * (ksvc_reconciler.go, createKnativeService): the newest revision gets the share, the stable one
 * the rest, by name and under the tag `prev`. Where KServe leaks, this does not: a share never grows
 * for a revision that is not the wanted one (kserve/kserve#2130, #1968).
 */
import type { KnativeService } from "../api/knative-service.gen.ts";

export type Traffic = NonNullable<NonNullable<KnativeService["spec"]>["traffic"]>;

/** Tag of the newest revision, with KServe's annotation. */
const TAG_LATEST = "latest";

type Target = Traffic[number];

/** Tag of the stable revision while another one takes part. */
export const TAG_PREVIOUS = "prev";

/** Everything goes to the newest ready revision: the traffic of a service yet to be made. */
export function traffic(): Traffic {
  return [newest(100)];
}

export interface Share {
  /** Percent that the newest revision is to get. */
  readonly percent: number;
  /** The revision that gets the rest; undefined while none ever served. */
  readonly stable: string | undefined;
  /** Whether the wanted revision exists and is up: only then may its share grow. */
  readonly up: boolean;
  /** Leave a newest revision with 0 percent out altogether, so that Knative takes its pods. */
  readonly dropNewest?: boolean;
  /** Keep the stable revision at hand, with 0 percent, while the newest has everything on trial. */
  readonly keepStable?: boolean;
}

/** The traffic list for `share`, given what lies in the cluster. */
export function trafficFor(share: Share, live: KnativeService | undefined): Traffic {
  const { stable } = share;
  if (stable === undefined) {
    return traffic();
  }
  // "Latest" is to Knative the latest that is ready. While that is the stable revision, giving it a
  // share changes nothing; while it is a third one, the canary of before, its share must not grow.
  const free = share.up || live?.status?.latestReadyRevisionName === stable;
  const before = liveShare(live);
  const percent = free ? share.percent : Math.min(share.percent, before ?? 0);
  if (percent === 100 && share.keepStable !== true) {
    return traffic();
  }
  // A revision that was left out stays out until its successor is up.
  const out = percent === 0 && (share.dropNewest === true || (!free && before === undefined));
  return out ? [pinned(stable, 100)] : [newest(percent), pinned(stable, 100 - percent)];
}

/** With the tag `latest` on the newest revision, KServe's tag routing, where it is wanted. */
export function tagged(targets: Traffic, wanted: boolean): Traffic {
  return wanted
    ? targets.map((target) =>
        target.latestRevision === true ? { ...target, tag: TAG_LATEST } : target,
      )
    : targets;
}

/** Percent that the newest ready revision has by the spec; undefined when it is left out. */
export function liveShare(live: KnativeService | undefined): number | undefined {
  const found = live?.spec?.traffic?.find(({ latestRevision }) => latestRevision === true);
  return found === undefined ? undefined : (found.percent ?? 0);
}

/** The revision that the spec pins, if any. */
export function pinnedRevision(live: KnativeService | undefined): string | undefined {
  return live?.spec?.traffic?.find(({ tag }) => tag === TAG_PREVIOUS)?.revisionName;
}

function newest(percent: number): Target {
  return { latestRevision: true, percent };
}

function pinned(revisionName: string, percent: number): Target {
  return { revisionName, latestRevision: false, percent, tag: TAG_PREVIOUS };
}
