import { readFile } from "node:fs/promises";

/** One write that the API server answered, as its audit log tells it. */
export interface AuditedWrite {
  readonly user: string;
  readonly userAgent: string;
  readonly verb: string;
  readonly resource: string;
  readonly subresource: string | undefined;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  /** HTTP status of the answer. */
  readonly code: number;
  /** When the request came, RFC 3339. */
  readonly at: string;
  /** When it was answered. */
  readonly answeredAt: string;
}

interface AuditEvent {
  readonly verb: string;
  readonly userAgent?: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code?: number };
  readonly requestReceivedTimestamp: string;
  readonly stageTimestamp: string;
}

/** The writes in the text of an audit log; a last line that is still being written is left out. */
export function parseAudit(text: string): AuditedWrite[] {
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const event = JSON.parse(line) as AuditEvent;
      return {
        user: event.user.username,
        userAgent: event.userAgent ?? "",
        verb: event.verb,
        resource: event.objectRef?.resource ?? "",
        subresource: event.objectRef?.subresource,
        namespace: event.objectRef?.namespace,
        name: event.objectRef?.name,
        code: event.responseStatus?.code ?? 0,
        at: event.requestReceivedTimestamp,
        answeredAt: event.stageTimestamp,
      };
    });
}

/** The writes that an API server has logged so far, oldest first. */
export async function readAudit(path: string): Promise<AuditedWrite[]> {
  return parseAudit(await readFile(path, "utf8"));
}
