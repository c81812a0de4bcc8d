/** status.components.<component>: what its Knative Service says, in KServe's words. */
import type { ComponentStatus } from "../api/inferenceservice.gen.ts";
import type { View } from "./view.ts";

export function componentStatus({ service }: View): ComponentStatus {
  const status = service?.status;
  if (status === undefined) {
    return {};
  }
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
