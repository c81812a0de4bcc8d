/** Leader election by real processes on a real API server. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import { readAudit, type AuditedWrite } from "../../../hack/cluster/audit.ts";
import type { KubeHttp } from "../../../controller/kube/http.ts";
import { LEASE_KIND, parseLease } from "../../../controller/kube/lease-record.ts";
import { objectPath } from "../../../controller/kube/paths.ts";
import { eventually } from "../../../controller/kube/testing/eventually.ts";
import { startApiserver, type Apiserver } from "../../support/apiserver.ts";
import { clientOf } from "./widgets.ts";

/** Well above what a busy machine keeps a process or etcd waiting: nobody loses a lease by that. */
const TERM_MS = 5000;
const LEASE = objectPath(LEASE_KIND, "default", "test-lease");

interface Candidate {
  readonly identity: string;
  readonly child: ChildProcess;
  readonly said: string[];
  readonly exited: Promise<unknown[]>;
}

describe("leader election on a real API server", function () {
  this.timeout(60_000);
  let apiserver: Apiserver;
  let admin: KubeHttp;
  let candidates: Candidate[];
  let round = 0;

  before(async () => {
    apiserver = await startApiserver();
    admin = clientOf(apiserver.kubeconfig);
  });

  after(async () => {
    await admin.close();
    await apiserver.stop();
  });

  beforeEach(() => {
    candidates = [];
    round += 1;
  });

  afterEach(async () => {
    for (const { child } of candidates) {
      child.kill("SIGCONT");
      child.kill("SIGKILL");
    }
    await Promise.all(candidates.map(({ exited }) => exited));
    await admin.json({ method: "DELETE", path: LEASE });
  });

  function candidate(name: string, termMs: number): Candidate {
    const identity = `${name}${round}`;
    const script = join(import.meta.dirname, "elector-child.ts");
    const child = spawn(
      process.execPath,
      [script, apiserver.kubeconfig, identity, String(termMs)],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const said: string[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => said.push(line));
    const one = { identity, child, said, exited: once(child, "exit") };
    candidates.push(one);
    return one;
  }

  /** Starts two and says which of them leads and writes. */
  async function pair(termMs = TERM_MS): Promise<{ leader: Candidate; other: Candidate }> {
    const two = [candidate("a", termMs), candidate("b", termMs)] as const;
    const leader = await eventually("one leads and writes", () =>
      two.find(({ said }) => said.includes("wrote")),
    );
    const other = leader === two[0] ? two[1] : two[0];
    return { leader, other };
  }

  async function holder(): Promise<string> {
    return parseLease(await admin.json({ method: "GET", path: LEASE })).holder;
  }

  /** Accepted writes of the ConfigMap by a candidate, from the API server's own audit. */
  async function writesOf({ identity }: Candidate): Promise<AuditedWrite[]> {
    const writes = await readAudit(apiserver.auditLog);
    return writes.filter(
      ({ userAgent, name }) => userAgent === `writer-${identity}` && name === "written",
    );
  }

  it("exactly one leads, for as long as it renews", async () => {
    const { leader, other } = await pair();
    const before = (await writesOf(leader)).length;
    // Two whole terms: renewals are counted, not time.
    const renewed = async (): Promise<boolean> => {
      const lease = await readAudit(apiserver.auditLog);
      const renewals = lease.filter(({ userAgent }) => userAgent === `elector-${leader.identity}`);
      return renewals.length > 24;
    };
    await eventually("renewals", renewed, 50_000);
    assert.equal(await holder(), leader.identity);
    assert((await writesOf(leader)).length > before);
    assert.deepEqual(other.said, []);
    assert.deepEqual(await writesOf(other), []);
  });

  it("the other takes over after the leader was killed", async () => {
    const { leader, other } = await pair();
    leader.child.kill("SIGKILL");
    await eventually("the other leads and writes", () => other.said.includes("wrote"));
    assert.equal(await holder(), other.identity);
  });

  it("F13: a leader that was stopped writes nothing after it resumes, and ends", async () => {
    const { leader, other } = await pair();
    leader.child.kill("SIGSTOP");
    await eventually("the other leads and writes", () => other.said.includes("wrote"));
    const before = (await writesOf(leader)).length;
    leader.child.kill("SIGCONT");
    const [code] = await leader.exited;
    assert.equal(code, 3, "it says by its exit code that the lease was lost");
    assert(leader.said.includes("lost"));
    assert.equal((await writesOf(leader)).length, before);
    assert.equal(await holder(), other.identity);
    const [firstOfOther] = await writesOf(other);
    const lastOfLeader = (await writesOf(leader)).at(-1);
    assert(firstOfOther !== undefined && lastOfLeader !== undefined);
    assert(lastOfLeader.at < firstOfOther.at, "no write of the old after the first of the new");
  });

  it("F34: a leader that ends in order hands over without waiting for the term to end", async () => {
    // A term that outlasts the test: who leads before its end was given the lease.
    const { leader, other } = await pair(600_000);
    leader.child.kill("SIGTERM");
    const [code] = await leader.exited;
    assert.equal(code, 0);
    await eventually("the other leads", () => other.said.includes("leads"));
  });

  it("F10: the leader stays leader over a restart shorter than its renew deadline", async () => {
    const { leader } = await pair();
    apiserver.pause();
    // Half a renew deadline of silence; real time, because real processes count it.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    apiserver.resume();
    const before = (await writesOf(leader)).length;
    await eventually("it writes on", async () => (await writesOf(leader)).length > before + 3);
    assert.equal(await holder(), leader.identity);
    assert(!leader.said.includes("lost"));
  });
});
