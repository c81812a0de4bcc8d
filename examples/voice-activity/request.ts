/**
 * Requests for the model: `node examples/voice-activity/request.ts voice` prints the first one of a
 * voice; `silence` and `tone` are the other sounds.
 */
import { SAMPLE_RATE, synthesizeSilence, synthesizeTone, synthesizeVoice } from "./audio.ts";

/** What the model hears at a time: 32 ms. */
export const CHUNK_SAMPLES = 512;
const STATE_SHAPE = [2, 1, 128] as const;

export interface InferRequest {
  readonly inputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
    readonly data: readonly number[];
  }[];
}

/** The memory of a model that has heard nothing yet. */
export function initialState(): number[] {
  return Array.from({ length: 2 * 128 }, () => 0);
}

/** One request: a chunk of sound, and what the model remembers of those before it. */
export function makeRequest(chunk: Float32Array, state: readonly number[]): InferRequest {
  return {
    inputs: [
      // Six digits are finer than the 16 bits of a recording.
      { name: "input", datatype: "FP32", shape: [1, chunk.length], data: Array.from(chunk, round) },
      { name: "state", datatype: "FP32", shape: [...STATE_SHAPE], data: state },
      // A scalar: a shape without dimensions.
      { name: "sr", datatype: "INT64", shape: [], data: [SAMPLE_RATE] },
    ],
  };
}

/** A sound in the pieces that the model takes; the rest that fills none is left out. */
export function toChunks(samples: Float32Array): Float32Array[] {
  const count = Math.floor(samples.length / CHUNK_SAMPLES);
  return Array.from({ length: count }, (_, at) =>
    samples.subarray(at * CHUNK_SAMPLES, (at + 1) * CHUNK_SAMPLES),
  );
}

function round(sample: number): number {
  return Number(sample.toFixed(6));
}

const SOUNDS = { voice: synthesizeVoice, silence: synthesizeSilence, tone: synthesizeTone };

/** Half a second of a sound, in chunks. */
export function makeSound(name: keyof typeof SOUNDS): Float32Array[] {
  return toChunks(SOUNDS[name](0.5));
}

if (import.meta.main) {
  const name = process.argv[2] ?? "voice";
  const [first] = name in SOUNDS ? makeSound(name as keyof typeof SOUNDS) : [];
  if (first === undefined) {
    process.stderr.write(`no sound "${name}"; there are: ${Object.keys(SOUNDS).join(", ")}\n`);
    process.exitCode = 64;
  } else {
    process.stdout.write(`${JSON.stringify(makeRequest(first, initialState()))}\n`);
  }
}
