/** A text as tokens: what a tokenizer says of it, in columns of equal length. */
export type Encoding = {
  readonly ids: readonly number[];
  readonly typeIds: readonly number[];
  readonly tokens: readonly string[];
  /** Code points of the text that a token comes from, [start, end). */
  readonly offsets: readonly (readonly [number, number])[];
  /** Which of two texts: 0, 1, or null for special tokens. */
  readonly sequences: readonly (number | null)[];
  /** Which word of the text; null for special tokens. */
  readonly words: readonly (number | null)[];
  readonly special: readonly boolean[];
};

/** The tokens from `start` to `end`, with those before and after that belong to each window. */
function cut(encoding: Encoding, keep: (index: number) => boolean): Encoding {
  const pick = <T>(values: readonly T[]): T[] => values.filter((_, index) => keep(index));
  return {
    ids: pick(encoding.ids),
    typeIds: pick(encoding.typeIds),
    tokens: pick(encoding.tokens),
    offsets: pick(encoding.offsets),
    sequences: pick(encoding.sequences),
    words: pick(encoding.words),
    special: pick(encoding.special),
  };
}

export type WindowOptions = {
  /** Tokens of a window, special ones included. */
  readonly lengthMax: number;
  /** Tokens that a window shares with the one before it. */
  readonly stride: number;
  /** Which of the texts is cut; the other one is in every window. */
  readonly sequence: number;
  /** Only so many windows, the first ones. */
  readonly countMax?: number;
};

/**
 * An encoding as windows that the model can take: one when it fits, else several that overlap. The
 * rule is that of the tokenizers library, whose npm package stops too early. Nothing when
 * the other text and the stride leave no room.
 */
export function windows(encoding: Encoding, options: WindowOptions): Encoding[] | undefined {
  const { lengthMax, stride, sequence, countMax = Number.POSITIVE_INFINITY } = options;
  const length = encoding.ids.length;
  if (length <= lengthMax) return [encoding];
  const first = encoding.sequences.indexOf(sequence);
  const count = encoding.sequences.filter((each) => each === sequence).length;
  const room = lengthMax - (length - count);
  if (first === -1 || room <= 0 || stride >= room) return undefined;
  const found: Encoding[] = [];
  for (let start = 0; found.length < countMax; start += room - stride) {
    const [from, to] = [first + start, first + Math.min(start + room, count)];
    found.push(
      cut(
        encoding,
        (index) => encoding.sequences[index] !== sequence || (index >= from && index < to),
      ),
    );
    if (start + room >= count) break;
  }
  return found;
}

/** A text in code points: what offsets count, in Python and in tokenizers. */
export function codePoints(text: string): string[] {
  return Array.from(text);
}

/** The code points of a word of an encoding: from its first token there to its last. */
export function wordSpan(
  encoding: Encoding,
  word: number,
  sequence: number,
): readonly [number, number] | undefined {
  let span: [number, number] | undefined;
  for (const [index, each] of encoding.words.entries()) {
    const offset = encoding.offsets[index];
    if (each !== word || encoding.sequences[index] !== sequence || offset === undefined) continue;
    span = [span?.[0] ?? offset[0], offset[1]];
  }
  return span;
}
