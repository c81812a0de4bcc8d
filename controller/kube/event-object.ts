/** Builds events.k8s.io/v1 objects within the API's limits; pure. */
import type { EventNote, Kind, KubeObject } from "../cluster.ts";
import { microTime } from "./micro-time.ts";

export const EVENT_KIND: Kind = {
  apiVersion: "events.k8s.io/v1",
  kind: "Event",
  plural: "events",
  namespaced: true,
};
export const REPORTING_CONTROLLER = "pilotlight.dev/controller";
const NOTE_BYTES_MAX = 1024;
const INSTANCE_CHARS_MAX = 128;
const NAME_CHARS_MAX = 200;

export interface EventContext {
  readonly reportingInstance: string;
  readonly wallMs: number;
  /** Makes the name unique among the events of the object. */
  readonly suffix: string;
}

/** Events of what has no namespace live in `default`, as kubectl expects. */
export function eventNamespace(regarding: KubeObject): string {
  return regarding.metadata.namespace ?? "default";
}

export function eventObject(regarding: KubeObject, note: EventNote, context: EventContext): object {
  const { name, namespace, uid, resourceVersion } = regarding.metadata;
  return {
    apiVersion: EVENT_KIND.apiVersion,
    kind: EVENT_KIND.kind,
    metadata: {
      name: `${nameStem(name)}.${context.suffix}`,
      namespace: eventNamespace(regarding),
    },
    eventTime: microTime(context.wallMs),
    reportingController: REPORTING_CONTROLLER,
    reportingInstance: context.reportingInstance.slice(0, INSTANCE_CHARS_MAX),
    action: "Reconcile",
    type: note.type,
    reason: note.reason,
    note: truncateBytes(note.message, NOTE_BYTES_MAX),
    regarding: {
      apiVersion: regarding.apiVersion,
      kind: regarding.kind,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
  };
}

/** A long name is cut, and not within a dot or a dash: the result must stay a DNS subdomain. */
function nameStem(name: string): string {
  return name.slice(0, NAME_CHARS_MAX).replace(/[^a-z0-9]+$/, "");
}

/** Cuts on a character boundary: half of one would not be UTF-8. */
function truncateBytes(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.byteLength <= bytesMax) return text;
  const ellipsis = "…";
  let end = bytesMax - Buffer.byteLength(ellipsis);
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end) + ellipsis;
}
