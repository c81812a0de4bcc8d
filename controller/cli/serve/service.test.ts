import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { ServeEvent } from "./events.ts";
import { Service } from "./service.ts";
import { FakeProcess, settled } from "./testing/fake-process.ts";
import { planOf } from "./testing/plans.ts";

const WINDOW_MS = 60_000;
const TICK_MS = 2000;

interface Guest {
  process: FakeProcess | undefined;
  refusal: string | undefined;
  retryAfterSeconds: number | undefined;
  leave(): void;
}

/** A service among fake processes, with a clock that stands until it is moved. */
class House {
  readonly processes: FakeProcess[] = [];
  readonly events: ServeEvent[] = [];
  readonly service: Service<FakeProcess>;
  nowMs = 0;

  constructor(changes: Parameters<typeof planOf>[0] = {}) {
    this.service = new Service({
      plan: planOf(changes),
      windowMs: WINDOW_MS,
      nowMs: () => this.nowMs,
      report: (event) => this.events.push(event),
      launch: (_plan, replica) => {
        const process = new FakeProcess(1000 + replica);
        this.processes.push(process);
        return process;
      },
    });
    this.service.open();
  }

  process(replica: number): FakeProcess {
    const process = this.processes[replica - 1];
    assert.ok(process !== undefined, `process ${replica} was never started`);
    return process;
  }

  enter(): Guest {
    const guest: Guest = {
      process: undefined,
      refusal: undefined,
      retryAfterSeconds: undefined,
      leave: () => undefined,
    };
    guest.leave = this.service.enter({
      admit: (process) => (guest.process = process),
      refuse: (refusal) => {
        guest.refusal = refusal.message;
        guest.retryAfterSeconds = refusal.retryAfterSeconds;
      },
    });
    return guest;
  }

  enterMany(count: number): Guest[] {
    return Array.from({ length: count }, () => this.enter());
  }

  pass(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += TICK_MS;
      this.service.tick();
    }
  }

  kinds(): string[] {
    return this.events.map(({ event }) => event);
  }
}

/** A service with one process that serves. */
async function warmHouse(changes: Parameters<typeof planOf>[0] = {}): Promise<House> {
  const house = new House(changes);
  const guest = house.enter();
  await house.process(1).becomeReady();
  guest.leave();
  house.events.splice(0);
  return house;
}

describe("Service from zero and back", () => {
  it("starts nothing before the first request, and one process for many", async () => {
    const house = new House();
    assert.equal(house.processes.length, 0);
    const guests = house.enterMany(50);
    assert.equal(house.processes.length, 1);
    assert.ok(
      guests.every(({ process, refusal }) => process === undefined && refusal === undefined),
    );
    await house.process(1).becomeReady();
    assert.ok(guests.every(({ process }) => process === house.process(1)));
    assert.deepEqual(house.events, [
      { event: "cold-start", service: "iris", waiting: 1 },
      { event: "ready", service: "iris", replica: 1, pid: 1001, tookMs: 0, waiting: 50 },
    ]);
  });

  it("starts minReplicas by itself", () => {
    assert.equal(new House({ scale: { minReplicas: 3 } }).processes.length, 3);
  });

  it("goes to zero a window after the last request ended, with SIGTERM, and wakes again", async () => {
    const house = await warmHouse();
    house.pass(WINDOW_MS - TICK_MS);
    assert.deepEqual(house.process(1).orders, []);
    house.pass(TICK_MS);
    assert.deepEqual(house.process(1).orders, ["SIGTERM 5000"]);
    assert.deepEqual(house.events, [
      { event: "scaled-to-zero", service: "iris", idleMs: WINDOW_MS },
    ]);
    await house.process(1).end({ exitCode: 0 });
    const guest = house.enter();
    await house.process(2).becomeReady();
    assert.equal(guest.process, house.process(2));
    assert.ok(!house.kinds().includes("crashed"));
  });

  it("a request that comes while the last process ends gets a new one", async () => {
    const house = await warmHouse();
    house.pass(WINDOW_MS);
    const guest = house.enter();
    assert.equal(guest.process, undefined);
    await house.process(2).becomeReady();
    assert.equal(guest.process, house.process(2));
  });

  it("stays while a request is inside, however long", async () => {
    const house = await warmHouse();
    house.enter();
    house.pass(10 * WINDOW_MS);
    assert.deepEqual(house.process(1).orders, []);
  });

  it("reports one that had to be killed", async () => {
    const house = await warmHouse();
    house.pass(WINDOW_MS);
    house.nowMs += 5000;
    house.process(1).overstay();
    assert.deepEqual(house.events.at(-1), {
      event: "killed",
      service: "iris",
      replica: 1,
      afterMs: 5000,
    });
  });
});

describe("Service's queue", () => {
  it("lets no more than containerConcurrency in, the rest in the order of arrival", async () => {
    const house = await warmHouse({ containerConcurrency: 2 });
    const guests = house.enterMany(4);
    const inside = (): boolean[] => guests.map(({ process }) => process !== undefined);
    assert.deepEqual(inside(), [true, true, false, false]);
    guests[1]?.leave();
    assert.deepEqual(inside(), [true, true, true, false]);
    guests[1]?.leave();
    assert.deepEqual(inside(), [true, true, true, false], "leaving twice frees one place");
    guests[0]?.leave();
    assert.deepEqual(inside(), [true, true, true, true]);
  });

  it("forgets who left while waiting", async () => {
    const house = await warmHouse({ containerConcurrency: 1 });
    const [first, gone, next] = house.enterMany(3);
    gone?.leave();
    first?.leave();
    assert.equal(gone?.process, undefined);
    assert.equal(next?.process, house.process(1));
  });

  it("refuses when ten times containerConcurrency wait, and says so once for many", async () => {
    const house = await warmHouse({ containerConcurrency: 2 });
    const guests = house.enterMany(2 + 20 + 3);
    const refused = guests.filter(({ refusal }) => refusal !== undefined);
    assert.deepEqual(refused, guests.slice(22));
    const message = "the queue of iris is full: 20 requests wait already";
    assert.equal(refused[0]?.refusal, message);
    assert.equal(house.service.inside, 22);
    house.service.tick();
    const [event] = house.events.filter((each) => each.event === "refused");
    assert.deepEqual(event, { event: "refused", service: "iris", count: 3, message });
  });

  it("holds ten thousand while nothing is ready, whatever the limit is then", async () => {
    const house = new House({ containerConcurrency: 1 });
    const guests = house.enterMany(10_001);
    assert.equal(guests.filter(({ refusal }) => refusal !== undefined).length, 1);
    await house.process(1).becomeReady();
    for (const guest of guests.slice(0, -1)) {
      assert.equal(guest.process, house.process(1));
      guest.leave();
    }
  });
});

describe("Service under load", () => {
  it("adds processes up to maxReplicas, spreads requests, and takes the idlest away", async () => {
    const house = await warmHouse({
      containerConcurrency: 1,
      scale: { target: 1, maxReplicas: 2 },
    });
    const guests = house.enterMany(6);
    house.pass(TICK_MS);
    assert.equal(house.processes.length, 2);
    assert.equal(house.kinds().filter((kind) => kind === "scaled").length, 1);
    await house.process(2).becomeReady();
    assert.deepEqual(
      guests.map((guest) => guest.process?.pid),
      [1001, 1002, undefined, undefined, undefined, undefined],
    );
    guests[0]?.leave();
    assert.equal(guests[2]?.process, house.process(1));
    for (const guest of guests.slice(1, 6).filter((each) => each !== guests[2])) {
      guest.leave();
    }
    house.pass(3 * WINDOW_MS);
    assert.deepEqual(house.process(1).orders, [], "it still works on the third request");
    assert.deepEqual(house.process(2).orders, ["SIGTERM 5000"]);
  });

  it("gives SIGTERM to a process that is to go only when its last request is over", async () => {
    const house = await warmHouse({ scale: { target: 1, maxReplicas: 2 } });
    house.enterMany(2);
    house.pass(TICK_MS);
    await house.process(2).becomeReady();
    const onSecond = house.enter();
    assert.equal(onSecond.process, house.process(2));
    const drained = house.service.drain();
    assert.deepEqual(house.process(2).orders, []);
    onSecond.leave();
    assert.deepEqual(house.process(2).orders, ["SIGTERM 5000"]);
    assert.deepEqual(house.process(1).orders, []);
    house.service.kill();
    await house.process(1).end({ signal: "SIGKILL" });
    await house.process(2).end({ exitCode: 0 });
    await drained;
  });
});

describe("Service among crashes", () => {
  it("tells those who wait why a start failed, and those who come during the backoff", async () => {
    const house = new House();
    const waiting = house.enter();
    await house.process(1).end({ exitCode: 66, lastWords: "no model at s3://m" });
    const message =
      "the predictor of iris does not run: ModelNotFound: no model at s3://m (exit code 66)";
    assert.equal(waiting.refusal, message);
    assert.equal(waiting.retryAfterSeconds, 1);
    waiting.leave();
    assert.equal(house.enter().refusal, message);
    assert.equal(house.processes.length, 1);
    house.nowMs += 1000;
    house.enter();
    assert.equal(house.processes.length, 2);
    assert.deepEqual(house.events[1], {
      event: "crashed",
      service: "iris",
      replica: 1,
      reason: "ModelNotFound",
      message: "no model at s3://m (exit code 66)",
      exitCode: 66,
      restartInMs: 1000,
      lost: 0,
    });
  });

  it("waits longer after each failed start", async () => {
    const house = new House();
    const waits: unknown[] = [];
    for (let attempt = 1; attempt <= 8; attempt++) {
      const guest = house.enter();
      await house.process(attempt).end({ exitCode: 1 });
      waits.push(guest.retryAfterSeconds);
      guest.leave();
      house.nowMs += Number(guest.retryAfterSeconds) * 1000;
    }
    assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
  });

  it("starts again at once when one that had served ends, and keeps who waits", async () => {
    const house = await warmHouse({ containerConcurrency: 1 });
    const [working, waiting] = house.enterMany(2);
    await house.process(1).end({ signal: "SIGSEGV" });
    assert.equal(waiting?.refusal, undefined);
    assert.equal(house.processes.length, 2);
    await house.process(2).becomeReady();
    assert.equal(waiting?.process, house.process(2));
    const crash = house.events.find((event) => event.event === "crashed");
    assert.equal(crash?.lost, 1);
    assert.equal(working?.process, house.process(1));
  });

  it("takes one that served for long as the first to fail, however often it failed before", async () => {
    const house = await warmHouse({ scale: { minReplicas: 1 } });
    await house.process(1).end({ exitCode: 1 });
    await house.process(2).end({ exitCode: 1 });
    assert.equal(house.processes.length, 2, "the second failure waits");
    house.pass(2000);
    await house.process(3).becomeReady();
    house.pass(30_000);
    await house.process(3).end({ exitCode: 1 });
    assert.equal(house.processes.length, 4);
  });

  it("keeps who waits while another process is there", async () => {
    const house = await warmHouse({
      containerConcurrency: 1,
      scale: { target: 0.7, maxReplicas: 2 },
    });
    const [working, waiting] = house.enterMany(2);
    house.pass(TICK_MS);
    await house.process(2).end({ exitCode: 70 });
    assert.equal(waiting?.refusal, undefined);
    assert.equal(waiting?.process, undefined);
    working?.leave();
    assert.equal(waiting?.process, house.process(1));
    assert.equal(house.processes.length, 2);
  });

  it("kills what does not become ready in time, and says that", async () => {
    const house = new House({ startupTimeoutMs: 10_000 });
    const guest = house.enter();
    house.pass(12_000);
    assert.deepEqual(house.process(1).orders, ["SIGKILL"]);
    await house.process(1).end({ signal: "SIGKILL" });
    assert.match(guest.refusal ?? "", /StartupTimeout: not ready 10 s after its start/);
  });
});

describe("Service.drain", () => {
  it("refuses the new, serves those inside, then ends the processes", async () => {
    const house = await warmHouse({ containerConcurrency: 1 });
    const [first, second] = house.enterMany(2);
    let drained = false;
    const draining = house.service.drain().then(() => (drained = true));
    assert.match(house.enter().refusal ?? "", /shutting down/);
    first?.leave();
    assert.equal(second?.process, house.process(1));
    assert.deepEqual(house.process(1).orders, []);
    second?.leave();
    assert.deepEqual(house.process(1).orders, ["SIGTERM 5000"]);
    await settled();
    assert.equal(drained, false);
    await house.process(1).end({ exitCode: 0 });
    await draining;
    assert.equal(drained, true);
    assert.ok(!house.kinds().includes("crashed"));
  });

  it("waits for a cold start that somebody waits for, and does not repeat one that failed", async () => {
    const house = new House();
    const guest = house.enter();
    const draining = house.service.drain();
    assert.deepEqual(house.process(1).orders, []);
    await house.process(1).end({ exitCode: 65 });
    assert.match(guest.refusal ?? "", /ModelLoadFailed/);
    await draining;
    assert.equal(house.processes.length, 1);
  });

  it("replaces a process that crashes for those who wait", async () => {
    const house = await warmHouse({ containerConcurrency: 1 });
    const [working, waiting] = house.enterMany(2);
    const draining = house.service.drain();
    await house.process(1).end({ signal: "SIGSEGV" });
    working?.leave();
    await house.process(2).becomeReady();
    assert.equal(waiting?.process, house.process(2));
    waiting?.leave();
    await house.process(2).end({ exitCode: 0 });
    await draining;
  });

  it("replaces a process that crashes for nobody else, minReplicas or not", async () => {
    const house = await warmHouse({ scale: { minReplicas: 1 } });
    house.enter();
    const draining = house.service.drain();
    await house.process(1).end({ signal: "SIGSEGV" });
    await draining;
    assert.equal(house.processes.length, 1);
  });

  it("is at once where nothing runs", async () => {
    await new House().service.drain();
  });
});
