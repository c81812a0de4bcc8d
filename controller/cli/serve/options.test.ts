import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { parseServeFlags } from "./options.ts";

describe("parseServeFlags", () => {
  it("has defaults", () => {
    assert.deepEqual(parseServeFlags(["m.onnx"]), {
      files: [],
      models: ["m.onnx"],
      host: "127.0.0.1",
      port: 8080,
      windowMs: 60_000,
      logFormat: "text",
      verbose: false,
      predictor: undefined,
    });
  });

  it("reads every flag", () => {
    const line =
      "-f a.yaml --filename b.yaml --host ::1 --port 0 --scale-to-zero-after 5m --log-format json --verbose --predictor p.js";
    assert.deepEqual(parseServeFlags(line.split(" ")), {
      files: ["a.yaml", "b.yaml"],
      models: [],
      host: "::1",
      port: 0,
      windowMs: 300_000,
      logFormat: "json",
      verbose: true,
      predictor: "p.js",
    });
  });

  const faults: [args: string, message: RegExp][] = [
    ["", /nothing to serve/],
    ["m --port 65536", /--port must be a number from 0 to 65535, not 65536/],
    ["m --port 80a", /--port/],
    ["m --scale-to-zero-after soon", /--scale-to-zero-after must be a time/],
    ["m --scale-to-zero-after 10ms", /--scale-to-zero-after must be a time from 1s/],
    ["m --log-format xml", /--log-format must be text or json, not xml/],
    ["-f - -f -", /standard input/],
  ];
  for (const [args, message] of faults) {
    it(`${args} is answered with ${message}`, () => {
      const words = args.split(" ").filter((word) => word !== "");
      assert.throws(() => parseServeFlags(words), { name: "CliError", exitCode: 64, message });
    });
  }
});
