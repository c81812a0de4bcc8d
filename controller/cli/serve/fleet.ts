/**
 * The predictor processes of one service: started, given work, restarted with backoff, ended. It owns no timer: `launch`
 * starts what it is told to, the clock is a parameter.
 */
import { formatDuration } from "../../duration.ts";
import { backoffMs, failureOf, type Ending, type Failure } from "./ending.ts";
import type { Report } from "./events.ts";
import type { ServicePlan } from "./plan.ts";

/** A predictor process, as far as a fleet knows it. */
export interface Process {
  readonly pid: number;
  /** Resolves when it serves; never rejects, and never resolves when it ends before. */
  readonly ready: Promise<void>;
  /** Resolves once, when it is gone; never rejects. */
  readonly ended: Promise<Ending>;
  /** SIGTERM, and SIGKILL after `graceMs`, of which `onKilled` tells. */
  terminate(graceMs: number, onKilled: () => void): void;
  /** SIGKILL. */
  kill(): void;
}

export interface Member<P> {
  /** Counted from 1 over the life of the service, never used again. */
  readonly replica: number;
  readonly process: P;
  readonly startedAtMs: number;
  state: "starting" | "ready" | "stopping" | "gone";
  readyAtMs: number;
  inFlight: number;
  /** Why it is being killed, where its end alone would not tell. */
  verdict: Failure | undefined;
}

export interface FleetOptions<P extends Process> {
  readonly plan: ServicePlan;
  readonly nowMs: () => number;
  readonly report: Report;
  launch(plan: ServicePlan, replica: number): P;
}

/** What the fleet tells its service. */
export interface FleetListener {
  /** Requests that wait, for the lines that name them. */
  waiting(): number;
  onReady(): void;
  onCrash(): void;
}

export interface Blocked {
  readonly failure: Failure;
  /** When the next start may be tried. */
  readonly untilMs: number;
}

/** A process that served this long is no crash loop: its end is counted as the first again. */
const SETTLED_MS = 30_000;

export class Fleet<P extends Process> {
  readonly #options: FleetOptions<P>;
  readonly #listener: FleetListener;
  readonly #members = new Set<Member<P>>();
  readonly #allGone: (() => void)[] = [];
  #replicas = 0;
  #live = 0;
  #ready = 0;
  #failures = 0;
  #lastFailure: Failure | undefined;
  #retryAtMs = 0;

  constructor(options: FleetOptions<P>, listener: FleetListener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** Processes that serve or are about to. */
  get live(): number {
    return this.#live;
  }

  get ready(): number {
    return this.#ready;
  }

  /** The last crash, while it forbids another start. */
  blocked(nowMs: number): Blocked | undefined {
    return this.#lastFailure === undefined || nowMs >= this.#retryAtMs
      ? undefined
      : { failure: this.#lastFailure, untilMs: this.#retryAtMs };
  }

  /**
   * The least busy process with room for one more request, which is counted as its own from now on.
   */
  take(): Member<P> | undefined {
    const { containerConcurrency } = this.#options.plan;
    const limit = containerConcurrency === 0 ? Infinity : containerConcurrency;
    let best: Member<P> | undefined;
    for (const member of this.#members) {
      if (member.state === "ready" && member.inFlight < (best?.inFlight ?? limit)) {
        best = member;
      }
    }
    if (best !== undefined) {
      best.inFlight++;
    }
    return best;
  }

  release(member: Member<P>): void {
    member.inFlight--;
    this.#endWhenIdle(member);
  }

  start(count: number): void {
    for (let started = 0; started < count; started++) {
      const replica = ++this.#replicas;
      const member: Member<P> = {
        replica,
        process: this.#options.launch(this.#options.plan, replica),
        startedAtMs: this.#options.nowMs(),
        state: "starting",
        readyAtMs: 0,
        inFlight: 0,
        verdict: undefined,
      };
      this.#members.add(member);
      this.#live++;
      void member.process.ready.then(() => this.#onReady(member));
      void member.process.ended.then((ending) => this.#onEnded(member, ending));
    }
  }

  /** Takes `count` processes out of service: those that do least first, the youngest among them. */
  shrink(count: number): void {
    const order = [...this.#members]
      .filter((member) => isLive(member))
      .sort((a, b) => a.inFlight - b.inFlight || b.replica - a.replica);
    for (const member of order.slice(0, Math.max(0, count))) {
      this.#leaveLive(member, "stopping");
      this.#endWhenIdle(member);
    }
  }

  /** Resolves when no process is left. */
  async gone(): Promise<void> {
    if (this.#members.size > 0) {
      await new Promise<void>((resolve) => this.#allGone.push(resolve));
    }
  }

  kill(): void {
    for (const member of this.#members) {
      this.#leaveLive(member, "stopping");
      member.process.kill();
    }
  }

  /** Kills what did not become ready in time. */
  endLateStarts(nowMs: number): void {
    const { startupTimeoutMs } = this.#options.plan;
    for (const member of this.#members) {
      if (member.state === "starting" && nowMs - member.startedAtMs > startupTimeoutMs) {
        const message = `not ready ${formatDuration(startupTimeoutMs)} after its start`;
        member.verdict = { reason: "StartupTimeout", message };
        member.process.kill();
      }
    }
  }

  #onReady(member: Member<P>): void {
    if (member.state !== "starting") {
      return;
    }
    member.state = "ready";
    member.readyAtMs = this.#options.nowMs();
    this.#ready++;
    this.#options.report({
      event: "ready",
      service: this.#options.plan.name,
      replica: member.replica,
      pid: member.process.pid,
      tookMs: member.readyAtMs - member.startedAtMs,
      waiting: this.#listener.waiting(),
    });
    this.#listener.onReady();
  }

  #onEnded(member: Member<P>, ending: Ending): void {
    this.#members.delete(member);
    if (isLive(member)) {
      this.#count(member, ending);
      this.#leaveLive(member, "gone");
      this.#listener.onCrash();
    }
    member.state = "gone";
    if (this.#members.size === 0) {
      this.#allGone.splice(0).forEach((resolve) => resolve());
    }
  }

  /** Keeps the account of crashes. */
  #count(member: Member<P>, ending: Ending): void {
    const nowMs = this.#options.nowMs();
    const served = member.state === "ready";
    if (served && nowMs - member.readyAtMs >= SETTLED_MS) {
      this.#failures = 0;
    }
    // After the first end of one that had served, the next starts at once: the fault may have been one request's.
    const waitMs = backoffMs(served ? this.#failures : this.#failures + 1);
    this.#failures++;
    this.#lastFailure = member.verdict ?? failureOf(ending);
    this.#retryAtMs = nowMs + waitMs;
    this.#options.report({
      event: "crashed",
      service: this.#options.plan.name,
      replica: member.replica,
      ...this.#lastFailure,
      ...(ending.exitCode === undefined ? {} : { exitCode: ending.exitCode }),
      ...(ending.signal === undefined ? {} : { signal: ending.signal }),
      restartInMs: waitMs,
      lost: member.inFlight,
    });
  }

  #leaveLive(member: Member<P>, state: "stopping" | "gone"): void {
    if (isLive(member)) {
      this.#live--;
      this.#ready -= member.state === "ready" ? 1 : 0;
    }
    member.state = state;
  }

  /** SIGTERM comes when the last request is over, as Knative's preStop hook has it: no predictor can lose one. */
  #endWhenIdle(member: Member<P>): void {
    if (member.state !== "stopping" || member.inFlight > 0) {
      return;
    }
    const startedMs = this.#options.nowMs();
    const { plan, report } = this.#options;
    member.process.terminate(plan.graceMs, () => {
      const afterMs = this.#options.nowMs() - startedMs;
      report({ event: "killed", service: plan.name, replica: member.replica, afterMs });
    });
  }
}

function isLive(member: Pick<Member<unknown>, "state">): boolean {
  return member.state === "starting" || member.state === "ready";
}
