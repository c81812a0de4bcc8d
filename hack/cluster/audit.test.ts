import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { parseAudit } from "./audit.ts";

const LINE = JSON.stringify({
  kind: "Event",
  verb: "patch",
  user: { username: "system:serviceaccount:pilotlight:controller" },
  userAgent: "pilotlight/0.1.0",
  objectRef: { resource: "services", namespace: "default", name: "iris", subresource: "status" },
  responseStatus: { code: 200 },
  requestReceivedTimestamp: "2026-03-04T05:06:07.000000Z",
  stageTimestamp: "2026-03-04T05:06:07.500000Z",
});

describe("parseAudit", () => {
  it("reads a write", () => {
    assert.deepEqual(parseAudit(`${LINE}\n`), [
      {
        user: "system:serviceaccount:pilotlight:controller",
        userAgent: "pilotlight/0.1.0",
        verb: "patch",
        resource: "services",
        subresource: "status",
        namespace: "default",
        name: "iris",
        code: 200,
        at: "2026-03-04T05:06:07.000000Z",
        answeredAt: "2026-03-04T05:06:07.500000Z",
      },
    ]);
  });

  it("leaves out a line that is still being written", () => {
    assert.equal(parseAudit(`${LINE}\n${LINE.slice(0, 20)}`).length, 1);
    assert.deepEqual(parseAudit(LINE.slice(0, 20)), []);
  });
});
