/**
 * Large bodies take turns. A turn of the event loop reads all that the sockets hold, which for
 * eight pictures is 5 MB and ten milliseconds, and a probe that comes in waits for it. So while
 * several large bodies are on their way, a turn reads a piece of each. They then come to their ends
 * about together, and what is done with one takes a millisecond: that too is one of them a turn.
 */
import type { Readable } from "node:stream";
import { systemClock } from "../batch/port.ts";
import type { Clock } from "../batch/port.ts";

/** What is read in one turn anyway: about two of the parser's chunks. */
const largeBytes = 131_072;

export class Turns {
  readonly #clock: Pick<Clock, "soon">;
  readonly #complete: (() => void)[] = [];
  #large = 0;
  /** One has been handed on in this turn. */
  #taken = false;

  constructor(clock: Pick<Clock, "soon"> = systemClock) {
    this.#clock = clock;
  }

  /** For one body from `source`. */
  reading(source: Readable): Reading {
    let large = false;
    let over = false;
    return {
      read: (bytes) => {
        if (bytes <= largeBytes) return;
        if (!large) this.#large += 1;
        large = true;
        if (this.#large < 2) return;
        source.pause();
        this.#clock.soon(() => {
          if (!over) source.resume();
        });
      },
      end: (then = () => {}) => {
        if (over) return;
        over = true;
        if (!large) return then();
        this.#large -= 1;
        this.#complete.push(then);
        if (!this.#taken) this.#handOn();
      },
    };
  }

  #handOn(): void {
    const then = this.#complete.shift();
    this.#taken = then !== undefined;
    if (then === undefined) return;
    this.#clock.soon(() => this.#handOn());
    then();
  }
}

export type Reading = {
  /** So many bytes of it have been read by now. */
  read(bytes: number): void;
  /** It is complete, or nobody wants it any more. `then` follows when it is its turn. */
  end(then?: () => void): void;
};
