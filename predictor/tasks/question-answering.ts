/**
 * Extractive question answering: the span of the context that answers. As Python's
 * QuestionAnsweringPipeline does it, long contexts in windows that overlap included.
 */
import { invalid } from "../errors.ts";
import type { JsonObject } from "../protocol/json.ts";
import type { Tensor } from "../protocol/tensor.ts";
import { Parameters } from "./parameters.ts";
import { softmax, topIndexes } from "./scores.ts";
import type { Task, TaskContext, TaskFolder, TaskRequest } from "./task.ts";
import { floatsOf } from "./tensors.ts";
import { codePoints, windows, wordSpan } from "./text/encoding.ts";
import type { Encoding } from "./text/encoding.ts";
import { outputOf, textInputs } from "./text/graph.ts";
import type { TextTokenizer } from "./text/tokenizer.ts";

/** More windows than a book chapter has; each is a run. */
const windowsMax = 1000;
/** What a token of the question or of a template scores, as in Python. */
const masked = -10_000;

export type Answer = { score: number; start: number; end: number; answer: string };

type Options = {
  readonly topK: number;
  readonly docStride: number;
  readonly seqLenMax: number;
  readonly answerLenMax: number;
  readonly impossible: boolean;
  readonly alignToWords: boolean;
  readonly unit: "code_point" | "utf16";
};

function parseOptions(given: JsonObject, tokenizer: TextTokenizer): Options {
  const parameters = new Parameters(given);
  const positive = { min: 1, max: Number.MAX_SAFE_INTEGER };
  const limit = { min: 1, max: tokenizer.lengthMax };
  const seqLenMax = parameters.whole("max_seq_len", Math.min(tokenizer.lengthMax, 384), limit);
  const stride = { min: 0, max: seqLenMax };
  const options: Options = {
    topK: parameters.whole("top_k", 1, { min: 1, max: 1000 }),
    seqLenMax,
    docStride: parameters.whole("doc_stride", Math.min(seqLenMax >> 1, 128), stride),
    answerLenMax: parameters.whole("max_answer_len", 15, positive),
    impossible: parameters.boolean("handle_impossible_answer", false),
    alignToWords: parameters.boolean("align_to_words", true),
    unit: parameters.word("offset_unit", ["code_point", "utf16"], "code_point"),
  };
  parameters.refuseOthers();
  return options;
}

export function questionAnswering(folder: TaskFolder, tokenizer: TextTokenizer): Task {
  const signature = folder.graphs.model ?? { inputs: [], outputs: [] };
  const classToken = tokenizer.specialId("cls_token");
  return {
    answer: async ({ question, context }: TaskRequest, given, run) => {
      const options = parseOptions(given, tokenizer);
      const text = String(context);
      if (text === "" || question === "") throw invalid("question or context is empty");
      const whole = await tokenizer.encode(String(question), text);
      const parts = windows(whole, {
        lengthMax: options.seqLenMax,
        stride: options.docStride,
        sequence: 1,
        countMax: windowsMax + 1,
      });
      if (parts === undefined) {
        throw invalid(
          `the question leaves no room for the context in ${options.seqLenMax} tokens with a ` +
            `doc_stride of ${options.docStride}: shorten the question, or lower doc_stride`,
        );
      }
      if (parts.length > windowsMax) {
        throw invalid(`the context needs more than ${windowsMax} windows: raise max_seq_len`);
      }
      const logits = await Promise.all(
        parts.map(async (part) => runWindow(run, textInputs(signature, part))),
      );
      const spans = logits.map((each, index) => ({ ...each, part: parts[index] ?? whole }));
      return selectAnswers(spans, { ...options, text, classToken });
    },
  };
}

type WindowLogits = { readonly starts: ArrayLike<number>; readonly ends: ArrayLike<number> };

async function runWindow(context: TaskContext, inputs: readonly Tensor[]): Promise<WindowLogits> {
  const outputs = await context.run("model", inputs);
  return {
    starts: floatsOf(outputOf(outputs, "start_logits", 0)),
    ends: floatsOf(outputOf(outputs, "end_logits", 1)),
  };
}

type Window = WindowLogits & { readonly part: Encoding };
type Selection = Options & { readonly text: string; readonly classToken: number | undefined };

/** The best spans of all windows: one answer, or a list when several were asked for. */
export function selectAnswers(spans: readonly Window[], selection: Selection): Answer | Answer[] {
  const { topK, impossible, text, unit } = selection;
  const points = codePoints(text);
  const found: Answer[] = [];
  let nothing = Number.POSITIVE_INFINITY;
  for (const span of spans) {
    const scored = scoreSpans(span, selection);
    nothing = Math.min(nothing, scored.nothing);
    for (const { start, end, score } of scored.spans) {
      const [from, to] = charactersOf(span.part, [start, end], selection.alignToWords);
      found.push({ score, start: from, end: to, answer: points.slice(from, to).join("") });
    }
  }
  if (impossible) found.push({ score: nothing, start: 0, end: 0, answer: "" });
  const best = found.toSorted((one, other) => other.score - one.score).slice(0, topK);
  if (unit === "utf16") {
    for (const each of best) {
      each.start = points.slice(0, each.start).join("").length;
      each.end = each.start + each.answer.length;
    }
  }
  return best.length === 1 && best[0] !== undefined ? best[0] : best;
}

type Span = { readonly start: number; readonly end: number; readonly score: number };

function scoreSpans(
  { part, starts, ends }: Window,
  { topK, answerLenMax, classToken }: Selection,
): { spans: Span[]; nothing: number } {
  // The class token may win, and then says that there is no answer; other tokens around can't.
  const open = part.ids.map(
    (id, index) => part.sequences[index] === 1 || (classToken !== undefined && id === classToken),
  );
  const scoresOf = (logits: ArrayLike<number>): Float64Array =>
    softmax(Float64Array.from(open, (may, index) => (may ? (logits[index] ?? masked) : masked)));
  const [start, end] = [scoresOf(starts), scoresOf(ends)];
  const nothing = (start[0] ?? 0) * (end[0] ?? 0);
  start[0] = 0;
  end[0] = 0;
  const length = open.length;
  const width = Math.min(answerLenMax, length);
  const scores = new Float64Array(length * width);
  for (let from = 0; from < length; from++) {
    for (let more = 0; more < width && from + more < length; more++) {
      scores[from * width + more] = (start[from] ?? 0) * (end[from + more] ?? 0);
    }
  }
  const spans = topIndexes(scores, topK)
    .map((index) => ({ from: Math.floor(index / width), more: index % width, index }))
    .filter(
      ({ from, more, index }) =>
        // Nothing is left of what can't be: fewer answers than asked for, rather than such ones.
        (scores[index] ?? 0) > 0 && open[from] === true && open[from + more] === true,
    )
    .map(({ from, more, index }) => ({ start: from, end: from + more, score: scores[index] ?? 0 }));
  return { spans, nothing };
}

/** Code points of the context, widened to whole words unless the tokenizer has none. */
function charactersOf(
  part: Encoding,
  [first, last]: readonly [number, number],
  alignToWords: boolean,
): [number, number] {
  const exact: [number, number] = [part.offsets[first]?.[0] ?? 0, part.offsets[last]?.[1] ?? 0];
  const [firstWord, lastWord] = [part.words[first] ?? null, part.words[last] ?? null];
  if (!alignToWords || firstWord === null || lastWord === null) return exact;
  const start = wordSpan(part, firstWord, 1)?.[0];
  const end = wordSpan(part, lastWord, 1)?.[1];
  return start === undefined || end === undefined ? exact : [start, end];
}
