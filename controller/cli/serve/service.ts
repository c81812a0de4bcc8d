/**
 * One InferenceService on this machine: the queue before its processes, and how many of them there are to be. `tick` is called
 * from outside and the clock is a parameter, so that a test can live through an hour in no time.
 */
import { autoscale } from "./autoscale.ts";
import { Fleet, type FleetOptions, type Member, type Process } from "./fleet.ts";
import { LoadMeter, type Sample } from "./meter.ts";
import type { ServicePlan } from "./plan.ts";

/** Whoever wants in. Exactly one of the two is called, at most once, perhaps during enter(). */
export interface Visitor<P> {
  admit(process: P): void;
  refuse(refusal: Refusal): void;
}

/** Why a request is answered 503. */
export interface Refusal {
  readonly message: string;
  readonly retryAfterSeconds: number;
}

export interface ServiceOptions<P extends Process> extends FleetOptions<P> {
  /** Stable window, which is the time until zero as well. */
  readonly windowMs: number;
}

interface Ticket<P> {
  readonly visitor: Visitor<P>;
  member: Member<P> | undefined;
  over: boolean;
}

/** Like the queue of Knative's activator, which holds requests while nothing is ready. */
const HELD_MAX = 10_000;
/** Like queue-proxy's: ten times what a process works on at once. */
const QUEUE_PER_PERMIT = 10;
/** Different sentences of refusal that are counted between two ticks. */
const REFUSAL_KINDS_MAX = 10;

export class Service<P extends Process> {
  readonly plan: ServicePlan;
  readonly #options: ServiceOptions<P>;
  readonly #fleet: Fleet<P>;
  readonly #meter: LoadMeter;
  // A Set keeps the order of arrival and lets a gone client leave from the middle.
  readonly #waiting = new Set<Ticket<P>>();
  readonly #refusals = new Map<string, number>();
  #timeouts = 0;
  #samples: Sample[] = [];
  #panicUntilMs = 0;
  #closing = false;

  constructor(options: ServiceOptions<P>) {
    this.plan = options.plan;
    this.#options = options;
    this.#meter = new LoadMeter(options.nowMs());
    this.#fleet = new Fleet(options, {
      waiting: () => this.#waiting.size,
      onReady: () => this.#admit(),
      onCrash: () => this.#recover(),
    });
  }

  /** Requests inside, waiting ones included. */
  get inside(): number {
    return this.#meter.inside;
  }

  /** Starts what is to be there without any request. */
  open(): void {
    this.#fleet.start(this.plan.scale.minReplicas);
  }

  /**
   * Lets a request in, at once or later, or refuses it. The function returned is to be called when
   * the request is over, whatever became of it; more calls do nothing.
   */
  enter(visitor: Visitor<P>): () => void {
    const nowMs = this.#options.nowMs();
    const refusal = this.#refusalAt(nowMs);
    if (refusal !== undefined) {
      this.#refuse(visitor, refusal);
      return () => undefined;
    }
    const ticket: Ticket<P> = { visitor, member: undefined, over: false };
    this.#meter.enter(nowMs);
    this.#waiting.add(ticket);
    this.#admit();
    if (this.#waiting.size > 0 && this.#fleet.live === 0) {
      this.#wake();
    }
    return () => this.#leave(ticket);
  }

  /** Counts a request that was answered 504, for the line that reports them together. */
  noteTimeout(): void {
    this.#timeouts++;
  }

  /** Measures and scales. To be called every thirtieth of the window or so. */
  tick(): void {
    const nowMs = this.#options.nowMs();
    this.#reportAnswers();
    this.#fleet.endLateStarts(nowMs);
    if (this.#closing) {
      return;
    }
    const sample = this.#meter.sample(nowMs);
    if (this.#fleet.live === 0 && this.inside === 0 && this.plan.scale.minReplicas === 0) {
      // Nothing is kept of the time at zero: the first seconds after waking are not to be averaged
      // with the sleep.
      this.#samples = [];
      this.#panicUntilMs = 0;
      return;
    }
    this.#samples.push(sample);
    this.#samples = this.#samples.filter((each) => each.atMs > nowMs - this.#options.windowMs);
    this.#scale(nowMs);
  }

  /**
   * Takes no more requests, lets those inside finish, then ends the processes; resolves when all
   * are gone.
   */
  async drain(): Promise<void> {
    this.#closing = true;
    this.#endWhenEmpty();
    await this.#fleet.gone();
    this.#reportAnswers();
  }

  /** Ends every process with SIGKILL. */
  kill(): void {
    this.#closing = true;
    this.#fleet.kill();
  }

  #wake(): void {
    const service = this.plan.name;
    this.#options.report({ event: "cold-start", service, waiting: this.#waiting.size });
    this.#fleet.start(this.#closing ? 1 : Math.max(1, this.plan.scale.minReplicas));
  }

  #leave(ticket: Ticket<P>): void {
    if (ticket.over) {
      return;
    }
    ticket.over = true;
    this.#meter.leave(this.#options.nowMs());
    this.#waiting.delete(ticket);
    if (ticket.member !== undefined) {
      this.#fleet.release(ticket.member);
      this.#admit();
    }
    this.#endWhenEmpty();
  }

  /** Hands the head of the queue to processes with room. */
  #admit(): void {
    for (const ticket of this.#waiting) {
      const member = this.#fleet.take();
      if (member === undefined) {
        return;
      }
      this.#waiting.delete(ticket);
      ticket.member = member;
      ticket.visitor.admit(member.process);
    }
    this.#endWhenEmpty();
  }

  /**
   * After a crash: another process takes what waits, or a new one at once, or all are told why not.
   */
  #recover(): void {
    const nowMs = this.#options.nowMs();
    const blocked = this.#fleet.blocked(nowMs);
    if (this.#fleet.live > 0) {
      return;
    }
    if (blocked === undefined) {
      // Whoever waits was let in before the end began, and is served still.
      if (this.#waiting.size > 0 || this.plan.scale.minReplicas > 0) {
        this.#wake();
      }
      return;
    }
    const refusal = this.#refusalAt(nowMs);
    for (const ticket of this.#waiting) {
      this.#waiting.delete(ticket);
      if (refusal !== undefined) {
        this.#refuse(ticket.visitor, refusal);
      }
    }
  }

  #scale(nowMs: number): void {
    const { live } = this.#fleet;
    const idleMs = this.#meter.idleMs(nowMs);
    const decision = autoscale(
      { ...this.plan.scale, windowMs: this.#options.windowMs },
      {
        nowMs,
        replicas: live,
        samples: this.#samples,
        inside: this.inside,
        idleMs,
        panicUntilMs: this.#panicUntilMs,
      },
    );
    this.#panicUntilMs = decision.panicUntilMs;
    const { replicas: to, why } = decision;
    if (to === live || (to > live && this.#fleet.blocked(nowMs) !== undefined)) {
      return;
    }
    const service = this.plan.name;
    if (live === 0) {
      this.#wake();
    } else if (to === 0) {
      this.#options.report({ event: "scaled-to-zero", service, idleMs });
    } else {
      this.#options.report({ event: "scaled", service, from: live, to, why });
    }
    this.#fleet.start(to - this.#fleet.live);
    this.#fleet.shrink(live - to);
  }

  #refusalAt(nowMs: number): Refusal | undefined {
    const { name, containerConcurrency } = this.plan;
    const blocked = this.#fleet.blocked(nowMs);
    if (this.#fleet.live === 0 && blocked !== undefined) {
      const { reason, message } = blocked.failure;
      return {
        message: `the predictor of ${name} does not run: ${reason}: ${message}`,
        retryAfterSeconds: Math.ceil((blocked.untilMs - nowMs) / 1000),
      };
    }
    if (this.#closing) {
      return { message: "pilotlight serve is shutting down", retryAfterSeconds: 1 };
    }
    const permits = containerConcurrency * this.#fleet.ready;
    const limit = permits === 0 ? HELD_MAX : Math.min(HELD_MAX, permits * QUEUE_PER_PERMIT);
    if (this.#waiting.size < limit) {
      return undefined;
    }
    const message = `the queue of ${name} is full: ${limit} requests wait already`;
    return { message, retryAfterSeconds: 1 };
  }

  #refuse(visitor: Visitor<P>, refusal: Refusal): void {
    const { message } = refusal;
    if (this.#refusals.size < REFUSAL_KINDS_MAX || this.#refusals.has(message)) {
      this.#refusals.set(message, (this.#refusals.get(message) ?? 0) + 1);
    }
    visitor.refuse(refusal);
  }

  /** One line for many: whoever floods the service must not flood the log as well. */
  #reportAnswers(): void {
    const service = this.plan.name;
    for (const [message, count] of this.#refusals) {
      this.#options.report({ event: "refused", service, count, message });
    }
    this.#refusals.clear();
    if (this.#timeouts > 0) {
      const message = `not answered within ${this.plan.timeoutSeconds} s (spec.predictor.timeout)`;
      this.#options.report({ event: "timed-out", service, count: this.#timeouts, message });
      this.#timeouts = 0;
    }
  }

  #endWhenEmpty(): void {
    if (this.#closing && this.#waiting.size === 0) {
      this.#fleet.shrink(this.#fleet.live);
    }
  }
}
