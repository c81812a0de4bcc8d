import assert from "node:assert/strict";
import { describe, it } from "mocha";

import { parseLdd } from "./base-entries.ts";

describe("parseLdd", () => {
  it("finds libraries and the loader, not the kernel's own and not what lies beside the binary", () => {
    const output = [
      "\tlinux-vdso.so.1 (0x00007fbaa8344000)",
      "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fbaa7e1e000)",
      "\tlibonnxruntime.so.1 => /w/node_modules/onnxruntime-node/bin/libonnxruntime.so.1 (0x00007f)",
      "\t/lib64/ld-linux-x86-64.so.2 (0x00007fbaa8346000)",
    ].join("\n");
    assert.deepEqual(parseLdd(output, "node"), [
      "/lib/x86_64-linux-gnu/libc.so.6",
      "/lib64/ld-linux-x86-64.so.2",
    ]);
  });

  it("does not build an image that could not start", () => {
    assert.throws(() => parseLdd("\tlibgomp.so.1 => not found", "node"), /node needs a library/);
  });
});
