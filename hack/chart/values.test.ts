import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { parseValues, valuesTable } from "./values.ts";

describe("parseValues", () => {
  it("closes every map, and takes type, words and constraints from the file", () => {
    const { schema } = parseValues(
      [
        "# About the file.",
        "",
        "# How many.",
        "# @schema {minimum: 1}",
        "count: 2",
        "# A group.",
        "group:",
        "  # A name,",
        "  # or none.",
        '  name: ""',
        "# @type labels",
        "# Its labels.",
        "labels:",
        "  a: b",
      ].join("\n"),
    );
    assert.deepEqual(schema, {
      $schema: "http://json-schema.org/draft-07/schema#",
      type: "object",
      additionalProperties: false,
      properties: {
        count: { description: "How many.", type: "integer", minimum: 1 },
        group: {
          description: "A group.",
          type: "object",
          additionalProperties: false,
          properties: { name: { description: "A name, or none.", type: "string" } },
        },
        labels: {
          description: "Its labels.",
          type: "object",
          additionalProperties: { type: "string", maxLength: 63 },
        },
      },
    });
  });

  it("lists what can be set, for the table", () => {
    const { leaves } = parseValues("# One | two.\na: [1]\n".replace("a:", "# @type ports\na:"));
    assert.equal(
      valuesTable(leaves),
      "| value | default | meaning |\n|---|---|---|\n| `a` | `[1]` | One \\| two. |\n",
    );
  });

  for (const { text, message, why } of [
    { text: "a: 1", message: /values\.yaml: a has no description/, why: "silent" },
    { text: "# A.\na: {}", message: /a: say what it may be/, why: "of no known shape" },
    { text: "# A.\na:", message: /a: say what it may be/, why: "null" },
    { text: "# @type no\n# A.\na: 1", message: /a: no @type no; there are labels/, why: "a typo" },
    { text: "b:\n  c: 1", message: /b\.c has no description/, why: "silent inside" },
    { text: "- a", message: /no map/, why: "a list" },
  ]) {
    it(`refuses a value that is ${why}`, () => {
      assert.throws(() => parseValues(text), message);
    });
  }
});
