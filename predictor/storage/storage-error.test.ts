import assert from "node:assert/strict";
import { describe, it } from "mocha";

import { StorageError, printable } from "./storage-error.ts";

describe("StorageError", () => {
  it("is one printable line, whatever it quotes", () => {
    const error = new StorageError("invalid", 'a\r\n{"level":60}\u001b[31m\u202Ered\u0000 end');
    assert.equal(error.message, 'a {"level":60} [31m red end');
  });

  it("is short enough for a condition's message", () => {
    const { message } = new StorageError("invalid", "x".repeat(1_000_000));
    assert.equal(message.length, 1024);
    assert.ok(message.endsWith("…"));
  });
});

describe("printable", () => {
  it("leaves letters of every script alone", () => {
    assert.equal(printable("Modèle 模型 🙂"), "Modèle 模型 🙂");
  });
});
