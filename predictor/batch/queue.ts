/** The requests that wait, in the order in which they run, and how many bytes they hold. */

export type Queued = {
  /** Smaller runs earlier; equals run in the order in which they came. */
  place: number;
  readonly bytes: number;
  /** In the queue, not in a run. The queue's to write. */
  queued: boolean;
};

export class Queue<T extends Queued> {
  #waiting: T[] = [];
  #bytes = 0;

  get requests(): readonly T[] {
    return this.#waiting;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(request: T): void {
    const waiting = this.#waiting;
    let at = waiting.length;
    while (at > 0 && (waiting[at - 1]?.place ?? 0) > request.place) at--;
    if (at === waiting.length) waiting.push(request);
    else waiting.splice(at, 0, request);
    request.queued = true;
    this.#bytes += request.bytes;
  }

  /** Takes one out, if it's there. */
  remove(request: T): void {
    if (!request.queued) return;
    this.#waiting.splice(this.#waiting.indexOf(request), 1);
    this.#leave(request);
  }

  /** Takes out what is at these ascending indexes. */
  take(indexes: readonly number[]): T[] {
    const waiting = this.#waiting;
    const taken = indexes.flatMap((index) => waiting[index] ?? []);
    for (const each of taken) this.#leave(each);
    this.#waiting =
      taken.length === waiting.length ? [] : waiting.filter((request) => request.queued);
    return taken;
  }

  #leave(request: T): void {
    request.queued = false;
    this.#bytes -= request.bytes;
  }
}
