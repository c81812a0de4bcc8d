import type { Clock } from "../batch/port.ts";
import { ServingError } from "../errors.ts";
import { failedAgain } from "./eviction.ts";
import type { Failures } from "./eviction.ts";

/** A failure, remembered: who asks before the next try is due has the same answer at once. */
export class BackOff {
  readonly #clock: Clock;
  #failures: (Failures & { readonly fault: ServingError }) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Why the last try failed; "" when it didn't. */
  get reason(): string {
    return this.#failures?.fault.message ?? "";
  }

  /** Throws the fault of the last try while the next one isn't due. */
  check(): void {
    if (this.#failures === undefined) return;
    const { fault, untilMs } = this.#failures;
    const retryAfterMs = untilMs - this.#clock.nowMs();
    if (retryAfterMs <= 0) return;
    const { cause } = fault;
    throw new ServingError(fault.code, fault.message, { cause, retryAfterMs });
  }

  /** Remembers a failed try. */
  failed(fault: ServingError): void {
    this.#failures = { ...failedAgain(this.#failures, this.#clock.nowMs()), fault };
  }

  clear(): void {
    this.#failures = undefined;
  }
}
