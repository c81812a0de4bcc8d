import assert from "node:assert/strict";
import { describe, it } from "mocha";

import { TransientError, retry } from "./retry.ts";
import type { RetryNotice } from "./retry.ts";
import { StorageError } from "./storage-error.ts";

const policy = { attemptsMax: 3, delayMs: 1, delayMsMax: 2 };

describe("retry", () => {
  it("tries again what may pass, and tells of each attempt", async () => {
    const notices: RetryNotice[] = [];
    let attempts = 0;
    const result = await retry(
      async () => {
        if ((attempts += 1) < 3) throw new TransientError(`trouble ${attempts}`);
        return "there";
      },
      {
        policy,
        shown: "s3://b/k",
        signal: new AbortController().signal,
        onRetry: (notice) => void notices.push(notice),
      },
    );
    assert.equal(result, "there");
    assert.deepEqual(
      notices.map(({ attempt, message }) => `${attempt}: ${message}`),
      ["1: trouble 1", "2: trouble 2"],
    );
  });

  it("gives up with what went wrong last", async () => {
    const running = retry(() => Promise.reject(new TransientError("HTTP 503")), {
      policy,
      shown: "s3://b/k",
      signal: new AbortController().signal,
    });
    await assert.rejects(
      running,
      (error) =>
        error instanceof StorageError &&
        error.code === "unavailable" &&
        error.message.startsWith("s3://b/k: HTTP 503, 3 attempts"),
    );
  });

  it("does not try again what will not pass", async () => {
    let attempts = 0;
    const running = retry(
      () => {
        attempts += 1;
        return Promise.reject(new StorageError("access-denied", "no"));
      },
      { policy, shown: "x", signal: new AbortController().signal },
    );
    await assert.rejects(running, /no/);
    assert.equal(attempts, 1);
  });

  it("waits as long as the server asks, but no longer than the limit", async () => {
    const delays: number[] = [];
    const running = retry(
      () => Promise.reject(new TransientError("busy", { retryAfterMs: 3_600_000 })),
      {
        policy,
        shown: "x",
        signal: new AbortController().signal,
        onRetry: ({ delayMs }) => void delays.push(delayMs),
      },
    );
    await assert.rejects(running);
    assert.deepEqual(delays, [2, 2]);
  });

  it("ends at once when it is aborted, also while it waits", async () => {
    const controller = new AbortController();
    const running = retry(() => Promise.reject(new TransientError("down")), {
      policy: { attemptsMax: 9, delayMs: 600_000, delayMsMax: 600_000 },
      shown: "x",
      signal: controller.signal,
      onRetry: () => controller.abort(new Error("SIGTERM")),
    });
    await assert.rejects(running, /SIGTERM|aborted/);
  });
});
