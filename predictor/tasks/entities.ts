/** From tagged tokens to entities: the aggregation strategies of transformers' pipeline. */
import { argmax } from "./scores.ts";

export const strategies = ["none", "simple", "first", "average", "max"] as const;
export type Strategy = (typeof strategies)[number];

export type TaggedToken = {
  /** The token, or what stands in the text where the tokenizer has no word for it. */
  readonly word: string;
  /** Goes on with the word of the token before. */
  readonly inside: boolean;
  /** One for each label, adding up to 1. */
  readonly scores: ArrayLike<number>;
  /** Its place in the model's input. */
  readonly index: number;
  /** Code points of the text, [start, end). */
  readonly start: number;
  readonly end: number;
};

/** Single tokens have `entity` and `index`, joined ones `entity_group`. */
export type Entity = {
  readonly entity?: string;
  readonly entity_group?: string;
  readonly score: number;
  readonly index?: number;
  readonly word: string;
  readonly start: number;
  readonly end: number;
};

export type Aggregation = {
  readonly strategy: Strategy;
  readonly labels: readonly string[];
  /** Tokens as text. */
  readonly join: (words: readonly string[]) => string;
};

type Tagged = Entity & { readonly entity: string };

export function aggregate(tokens: readonly TaggedToken[], how: Aggregation): Entity[] {
  if (how.strategy === "none") return tokens.map((token) => tagOf(token, how.labels));
  const tagged =
    how.strategy === "simple"
      ? tokens.map((token) => tagOf(token, how.labels))
      : wordsOf(tokens).map((word) => tagWord(word, how));
  return groupsOf(tagged).map((group) => joinGroup(group, how.join));
}

function tagOf(
  { scores, index, word, start, end }: TaggedToken,
  labels: readonly string[],
): Tagged {
  const best = argmax(scores);
  return { entity: labels[best] ?? "", score: scores[best] ?? 0, index, word, start, end };
}

function wordsOf(tokens: readonly TaggedToken[]): TaggedToken[][] {
  const words: TaggedToken[][] = [];
  for (const token of tokens) {
    const last = words.at(-1);
    if (last !== undefined && token.inside) last.push(token);
    else words.push([token]);
  }
  return words;
}

function tagWord(tokens: readonly TaggedToken[], { strategy, labels, join }: Aggregation): Tagged {
  const scores = scoresOfWord(tokens, strategy);
  const best = argmax(scores);
  return {
    entity: labels[best] ?? "",
    score: scores[best] ?? 0,
    word: join(tokens.map(({ word }) => word)),
    start: tokens[0]?.start ?? 0,
    end: tokens.at(-1)?.end ?? 0,
  };
}

function scoresOfWord(tokens: readonly TaggedToken[], strategy: Strategy): ArrayLike<number> {
  const rows = tokens.map(({ scores }) => scores);
  if (strategy === "first") return rows[0] ?? [];
  if (strategy === "max") {
    return rows[argmax(rows.map((scores) => scores[argmax(scores)] ?? 0))] ?? [];
  }
  const sums = Array.from({ length: rows[0]?.length ?? 0 }, (_, label) =>
    rows.reduce((sum, scores) => sum + (scores[label] ?? 0), 0),
  );
  return sums.map((sum) => sum / rows.length);
}

/** B- begins an entity, I- goes on; a label without either goes on as well. */
function partsOf(label: string): { begins: boolean; tag: string } {
  const prefix = /^[BI]-/.exec(label)?.[0];
  return { begins: prefix === "B-", tag: prefix === undefined ? label : label.slice(2) };
}

function groupsOf(entities: readonly Tagged[]): Tagged[][] {
  const groups: Tagged[][] = [];
  for (const entity of entities) {
    const last = groups.at(-1);
    const before = last?.at(-1);
    const { begins, tag } = partsOf(entity.entity);
    const continues = before !== undefined && !begins && partsOf(before.entity).tag === tag;
    if (last !== undefined && continues) last.push(entity);
    else groups.push([entity]);
  }
  return groups;
}

function joinGroup(group: readonly Tagged[], join: Aggregation["join"]): Entity {
  const label = group[0]?.entity ?? "";
  return {
    entity_group: label.slice(label.indexOf("-") + 1),
    score: group.reduce((sum, { score }) => sum + score, 0) / group.length,
    word: join(group.map(({ word }) => word)),
    start: group[0]?.start ?? 0,
    end: group.at(-1)?.end ?? 0,
  };
}

/** Of entities that overlap because windows do, the longest; of equally long ones the surest. */
export function joinOverlapping(entities: readonly Entity[]): Entity[] {
  const joined: Entity[] = [];
  for (const entity of entities.toSorted((one, other) => one.start - other.start)) {
    const last = joined.at(-1);
    if (last === undefined || entity.start >= last.end) joined.push(entity);
    else if (isBetter(entity, last)) joined[joined.length - 1] = entity;
  }
  return joined;
}

function isBetter(entity: Entity, than: Entity): boolean {
  const longer = entity.end - entity.start - (than.end - than.start);
  return longer > 0 || (longer === 0 && entity.score > than.score);
}
