import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { decodeEvent } from "./cloudevents.ts";

describe("an event that is one JSON object", () => {
  it("gives its data as they were written: no number is rounded", () => {
    const data = '{"instances": [[9007199254740993]], "x": 1.50}';
    const body = Buffer.from(
      `{"specversion":"1.0","id":"1","source":"s","type":"t","data":${data}}`,
    );
    const event = decodeEvent({ "content-type": "application/cloudevents+json" }, body);
    assert.equal(Buffer.from(event.data).toString(), data);
  });
});
