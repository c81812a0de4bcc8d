/**
 * A growing text in pieces that can be handed out for good: not half a character, and nothing that
 * may become one of the texts that end it.
 */
export class Pieces {
  readonly #stops: readonly string[];
  #given = 0;
  text = "";

  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** The whole text as it is now; true when a stop text ends it. */
  grow(whole: string): boolean {
    const ends = this.#stops.map((stop) => whole.indexOf(stop)).filter((at) => at >= 0);
    this.text = ends.length > 0 ? whole.slice(0, Math.min(...ends)) : whole;
    return ends.length > 0;
  }

  /** What came since the last call and can't change any more; at the end, everything. */
  take(ended: boolean): string {
    const safe = ended ? this.text.length : this.#safeLength();
    if (safe <= this.#given) return "";
    const piece = this.text.slice(this.#given, safe);
    this.#given = safe;
    return piece;
  }

  #safeLength(): number {
    // The bytes of one character may come with two tokens; until then a decoder shows U+FFFD.
    const whole = this.text.replace(/\ufffd+$/, "").length;
    const longest = Math.max(0, ...this.#stops.map((stop) => stop.length - 1));
    for (let length = Math.min(longest, whole); length > 0; length--) {
      const tail = this.text.slice(whole - length, whole);
      if (this.#stops.some((stop) => stop.startsWith(tail))) return whole - length;
    }
    return whole;
  }
}
