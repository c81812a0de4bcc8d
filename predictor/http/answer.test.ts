import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "mocha";
import { ServingError } from "../errors.ts";
import { sendError } from "./answer.ts";

describe("the answer to a fault", () => {
  let fault = new ServingError("failed", "nothing yet");
  const server = createServer((_request, response) => void sendError(response, fault));
  before(async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", resolve);
    await promise;
  });
  after(() => server.close());

  const rows: [why: string, given: ServingError, status: number, after: string | null][] = [
    ["which the model is for minutes", notReady(90_000), 503, "90"],
    ["which is over in a moment, but not before a second", notReady(12), 503, "1"],
    ["of which nobody knows how long it lasts", notReady(undefined), 503, "1"],
    ["of a full queue", new ServingError("overloaded", "full"), 429, "1"],
    ["that no waiting mends", new ServingError("invalid", "wrong"), 400, null],
  ];
  for (const [why, given, status, seconds] of rows) {
    it(`says ${seconds === null ? "nothing of" : `${seconds} s as`} Retry-After: ${why}`, async () => {
      fault = given;
      const { port } = server.address() as AddressInfo;
      const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
      assert.equal(answer.status, status);
      assert.equal(answer.headers.get("retry-after"), seconds);
      assert.deepEqual(await answer.json(), { error: given.message });
    });
  }
});

function notReady(retryAfterMs: number | undefined): ServingError {
  const options = retryAfterMs === undefined ? {} : { retryAfterMs };
  return new ServingError("not-ready", "not now", options);
}
