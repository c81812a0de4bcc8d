/** Which id a request goes by, in logs and events. */
import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** What a header may say: visible ASCII, bounded, so that it can stand in a log and in a header. */
const plain = /^[\x21-\x7e]{1,128}$/;

/** The id that the client gave: `x-request-id` (Envoy's and everybody's), else a CloudEvent's. */
export function givenRequestId(headers: IncomingHttpHeaders): string | undefined {
  for (const name of ["x-request-id", "ce-id"]) {
    const value = headers[name];
    if (typeof value === "string" && plain.test(value)) return value;
  }
  return undefined;
}

/** The client's id, or a new one. A stream has one for all of its messages: `place` is added to it. */
export function requestIdOf(headers: IncomingHttpHeaders, place?: number): string {
  const given = givenRequestId(headers);
  if (given === undefined) return randomUUID();
  return place === undefined ? given : `${given}-${place}`;
}
