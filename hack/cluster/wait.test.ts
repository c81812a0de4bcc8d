import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { waitFor } from "./wait.ts";

describe("waitFor", () => {
  it("asks until there is an answer", async () => {
    let asked = 0;
    const probe = async (): Promise<number | undefined> => (++asked < 3 ? undefined : asked);
    assert.equal(await waitFor("three", probe, { timeoutMs: 5000, intervalMs: 1 }), 3);
  });

  it("names what it waited for and the last reason", async () => {
    const probe = async (): Promise<never> => {
      throw new Error("connection refused");
    };
    await assert.rejects(
      waitFor("the server answers", probe, { timeoutMs: 5, intervalMs: 1 }),
      /^Error: the server answers: not within 0\.005 s: connection refused$/,
    );
  });

  it("gives up as soon as its check throws", async () => {
    const check = async (): Promise<void> => {
      throw new Error("the server ended");
    };
    const options = { timeoutMs: 60_000, check };
    await assert.rejects(
      waitFor("it", async () => undefined, options),
      /the server ended/,
    );
  });
});
