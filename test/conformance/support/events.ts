/** A KServe v1 request as a CloudEvent, in either of the two modes of its HTTP binding. */
import assert from "node:assert/strict";
import { ask } from "./target.ts";
import type { Answer, Target } from "./target.ts";
import { instancesOf, predictPath } from "./v1.ts";

/** What an event says about itself. */
export type Attributes = Readonly<Record<string, string>>;

/** Attributes with which an event is complete. */
export const attributes = {
  specversion: "1.0",
  id: "event-1",
  source: "/conformance",
  type: "conformance.request",
} as const;

/** Sends it with the attributes as headers. */
export async function askInHeaders(target: Target, given: Attributes): Promise<Answer> {
  const named = Object.entries(given).map(([name, value]) => [`ce-${name}`, value] as const);
  return postEvent(target, "application/json", Object.fromEntries(named), dataOf(target));
}

/** Sends it as one JSON object around the data. */
export async function askStructured(target: Target, given: Attributes): Promise<Answer> {
  const event = { ...given, datacontenttype: "application/json", data: dataOf(target) };
  return postEvent(target, "application/cloudevents+json", {}, event);
}

/** An answer is an event of its own: complete, and with another id. */
export function assertAnswers(attribute: (name: string) => unknown): void {
  assert.equal(attribute("specversion"), "1.0");
  for (const name of ["id", "source", "type"]) {
    const value = attribute(name);
    assert(typeof value === "string" && value !== "", `the answer has no ${name}`);
  }
  assert.notEqual(attribute("id"), attributes.id, "the answer has the request's id");
}

function dataOf(target: Target): object {
  return { instances: instancesOf(target) };
}

async function postEvent(
  target: Target,
  type: string,
  headers: Attributes,
  body: object,
): Promise<Answer> {
  return ask(target, predictPath(target), {
    method: "POST",
    headers: { "content-type": type, ...headers },
    body: JSON.stringify(body),
  });
}
