/** status.components.<component>: what its Knative Service says, in KServe's words. */
import type { ComponentStatus } from "../api/inferenceservice.gen.ts";
import type { KnativeService } from "../api/knative-service.gen.ts";
import type { Effective } from "../desired/effective.ts";
import type { View } from "./view.ts";

/** `effective` says how it scales; unknown while nothing was decided. */
export function componentStatus(view: View, effective: Effective | undefined): ComponentStatus {
  const status = servingStatus(view);
  return { ...(status === undefined ? {} : knativeStatus(status)), ...effective };
}

/**
 * What its Knative Service says of who answers, and where. A stopped one answers nobody, also while
 * its Knative Service has yet to go.
 */
export function servingStatus({ service, stopped }: View): KnativeService["status"] {
  return stopped === true ? undefined : service?.status;
}

function knativeStatus(status: NonNullable<KnativeService["status"]>): ComponentStatus {
  const { url, latestCreatedRevisionName, latestReadyRevisionName, traffic } = status;
  return {
    ...(url === undefined ? {} : { url }),
    ...(latestCreatedRevisionName === undefined
      ? {}
      : { latestCreatedRevision: latestCreatedRevisionName }),
    ...(latestReadyRevisionName === undefined
      ? {}
      : { latestReadyRevision: latestReadyRevisionName }),
    ...(traffic === undefined
      ? {}
      : {
          traffic: traffic.map(({ revisionName, latestRevision, percent, tag, url: tagUrl }) => ({
            ...(revisionName === undefined ? {} : { revisionName }),
            ...(latestRevision === undefined ? {} : { latestRevision }),
            ...(percent === undefined ? {} : { percent }),
            ...(tag === undefined ? {} : { tag }),
            ...(tagUrl === undefined ? {} : { url: tagUrl }),
          })),
        }),
  };
}
