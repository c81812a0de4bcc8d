import assert from "node:assert/strict";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, it } from "mocha";
import { weightyModel } from "../../hack/models/weighty.ts";
import { systemClock } from "../batch/port.ts";
import { inFolder } from "../storage/testing/folder.ts";
import { faultOfLoad } from "./faults.ts";
import { Residency } from "./residency.ts";
import { NoRoom, Unit } from "./unit.ts";

const mebibyte = 1024 * 1024;
const budgetBytes = 400 * mebibyte;

const open: Residency[] = [];
afterEach(async () => Promise.all(open.splice(0).map(async (each) => each.close())));

/** A process, and what became of it and its models. */
function start(admissionMs: number): { residency: Residency; happened: string[] } {
  const happened: string[] = [];
  const main = fileURLToPath(new URL("../executor/child-main.ts", import.meta.url));
  const residency = new Residency({
    entry: { command: process.execPath, args: [main] },
    budgetBytes,
    hostsMax: 1,
    threads: 1,
    loadTimeoutMs: 60_000,
    admissionMs,
    clock: systemClock,
    observer: {
      found: () => {},
      loaded: (name) => void happened.push(`${name} loaded`),
      evicted: (name) => void happened.push(`${name} evicted`),
      hostEnded: (reason) => void happened.push(reason),
    },
  });
  open.push(residency);
  return { residency, happened };
}

async function unitOf(folder: string, name: string, weight: number): Promise<Unit> {
  const path = join(folder, `${name}.onnx`);
  await writeFile(path, weightyModel(weight, 1));
  return new Unit({
    name,
    file: async () => ({ path, bytes: (await stat(path)).size }),
    onFailure: (error) => faultOfLoad(name, error),
    clock: systemClock,
  });
}

describe("models in memory", () => {
  it("load although another one waits for room, and stay: it would not fit all the same", () =>
    inFolder(async (folder) => {
      const { residency, happened } = start(60_000);
      const [used, large, small, idle] = [
        // Far more than the idle one, to which all that its process allocated first is counted.
        await unitOf(folder, "used", 80 * mebibyte),
        await unitOf(folder, "large", 1024),
        await unitOf(folder, "small", 1024),
        await unitOf(folder, "idle", 1024),
      ];
      await residency.acquire(idle);
      residency.release(idle);
      await residency.acquire(used);
      // All that there is besides an empty process, but for what its memory may grow meanwhile:
      // well below what the used one holds, so that both never fit.
      large.bytes = budgetBytes - residency.usedBytes + (used.bytes ?? 0) - 8 * mebibyte;
      let isLarge = false;
      const waiting = residency.acquire(large).then(() => (isLarge = true));
      await residency.acquire(small);
      assert.equal(isLarge, false, "it fitted, although another one is in use");
      assert(!happened.includes("idle evicted"), "it left for one that did not fit");
      residency.release(small);
      residency.release(used);
      await waiting;
      assert(happened.includes("used evicted"));
    }));

  it("load into a fresh process when the only one holds memory, but no model any more", () =>
    inFolder(async (folder) => {
      const { residency, happened } = start(0);
      const [before, after] = [
        await unitOf(folder, "before", 40 * mebibyte),
        await unitOf(folder, "after", 1024),
      ];
      const place = await residency.acquire(before);
      const { baseBytes } = place.host;
      residency.release(before);
      // Fits beside an empty process, not beside one that keeps anything.
      after.bytes = budgetBytes - baseBytes;
      await residency.acquire(after);
      assert.deepEqual(happened, [
        "before loaded",
        "before evicted",
        "to give back its memory",
        "after loaded",
      ]);
    }));

  it("are refused for want of room, not for ever", () =>
    inFolder(async (folder) => {
      const { residency } = start(0);
      const [used, large] = [
        await unitOf(folder, "used", 1024),
        await unitOf(folder, "large", 1024),
      ];
      const { host } = await residency.acquire(used);
      large.bytes = budgetBytes - host.baseBytes;
      used.bytes = mebibyte;
      await assert.rejects(residency.acquire(large), NoRoom);
      residency.release(used);
      await residency.acquire(large);
    }));
});
