/**
 * A process that wants to lead: `node elector-child.ts KUBECONFIG IDENTITY TERM_MS`. While it leads
 * it writes ten times a second, and says on standard output what happens, a word per line.
 */
import { setTimeout } from "node:timers/promises";
import { systemClock } from "../../../controller/kube/clock.ts";
import { LeaseLostError } from "../../../controller/kube/errors.ts";
import { noMetrics } from "../../../controller/kube/hooks.ts";
import { createElector } from "../../../controller/kube/lease.ts";
import { createWrites } from "../../../controller/kube/write.ts";
import { memoryLog } from "../../../controller/kube/testing/memory-log.ts";
import { clientOf, CONFIG_MAP } from "./widgets.ts";

const [kubeconfig = "", identity = "", term = ""] = process.argv.slice(2);

function say(word: string): void {
  process.stdout.write(`${word}\n`);
}

const elector = createElector({
  http: clientOf(kubeconfig, { userAgent: `elector-${identity}` }),
  namespace: "default",
  name: "test-lease",
  identity,
  leaseDurationMs: Number(term),
  renewDeadlineMs: Number(term) * 0.8,
  retryPeriodMs: 400,
  clock: systemClock,
  random: Math.random,
  log: memoryLog(),
  metrics: noMetrics,
});

const http = clientOf(kubeconfig, { userAgent: `writer-${identity}` });
const writes = createWrites({ http, fence: elector, metrics: noMetrics });

async function write(count: number): Promise<void> {
  const metadata = { namespace: "default", name: "written" };
  const data = { by: identity, count: String(count) };
  await writes.apply(CONFIG_MAP, { apiVersion: "v1", kind: "ConfigMap", metadata, data } as never);
}

async function writeForEver(): Promise<void> {
  for (let count = 0; ; count += 1) {
    try {
      await write(count);
      if (count === 0) say("wrote");
      // A stop must find it at rest: what passed the fence just before it would be sent after it.
      await setTimeout(100);
    } catch (error) {
      if (error instanceof LeaseLostError) return;
      say(`failed ${String(error)}`);
    }
  }
}

process.on("SIGTERM", () => {
  // Only the writer stops first here: the next write is refused once the lease is given back.
  void elector.stop().then(() => process.exit(0));
});
void elector.lost.then(() => {
  say("lost");
  process.exit(3);
});
elector.start();
await elector.elected;
say("leads");
await writeForEver();
