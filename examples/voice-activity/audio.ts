/**
 * Sound made by calculation, so that the example needs no recording: a voice as phonetics describes
 * one, and what is no voice. 16,000 samples a second, from -1 to 1.
 */
export const SAMPLE_RATE = 16_000;

/** First formants of vowels in hertz, of an adult man (Peterson and Barney 1952). */
const VOWELS: readonly (readonly [number, number, number])[] = [
  [730, 1090, 2440],
  [270, 2290, 3010],
  [300, 870, 2240],
  [530, 1840, 2480],
];
const BANDWIDTHS = [80, 100, 150] as const;
const SYLLABLE_SECONDS = 0.25;

/** Syllables: a buzz of the vocal folds, shaped by the resonances of one vowel after the other. */
export function synthesizeVoice(seconds: number): Float32Array {
  const samples = new Float32Array(Math.round(seconds * SAMPLE_RATE));
  const random = createRandom(1);
  const resonators = BANDWIDTHS.map(createResonator);
  let phase = 0;
  for (let at = 0; at < samples.length; at += 1) {
    const time = at / SAMPLE_RATE;
    const syllable = Math.floor(time / SYLLABLE_SECONDS);
    const within = (time / SYLLABLE_SECONDS) % 1;
    // The pitch falls and rises over a sentence, as a speaker's does.
    const pitch = 120 + 25 * Math.sin(2 * Math.PI * 0.7 * time) + 2 * random();
    phase += pitch / SAMPLE_RATE;
    const pulse = phase >= 1 ? 1 : 0;
    phase %= 1;
    const loudness = Math.sin(Math.PI * Math.min(1, within * 1.2)) ** 0.5;
    const breath = 0.02 * random();
    const formants = VOWELS[syllable % VOWELS.length] ?? [500, 1500, 2500];
    const source = (pulse + breath) * loudness;
    samples[at] = resonators.reduce(
      (sum, resonate, index) => sum + resonate(source, formants[index] ?? 500) / (index + 1),
      0,
    );
  }
  return normalize(samples, 0.5);
}

/** The faint noise of a quiet room. */
export function synthesizeSilence(seconds: number): Float32Array {
  const random = createRandom(2);
  return Float32Array.from({ length: Math.round(seconds * SAMPLE_RATE) }, () => 0.0005 * random());
}

/** A steady tone, as loud as the voice: loudness alone is not what the model listens to. */
export function synthesizeTone(seconds: number, hertz = 440): Float32Array {
  return Float32Array.from(
    { length: Math.round(seconds * SAMPLE_RATE) },
    (_, at) => 0.3 * Math.sin((2 * Math.PI * hertz * at) / SAMPLE_RATE),
  );
}

/** A two-pole resonance (Klatt 1980), whose frequency may move. */
function createResonator(bandwidth: number): (input: number, hertz: number) => number {
  let [last, beforeLast] = [0, 0];
  return (input, hertz) => {
    const radius = Math.exp((-Math.PI * bandwidth) / SAMPLE_RATE);
    const b = 2 * radius * Math.cos((2 * Math.PI * hertz) / SAMPLE_RATE);
    const c = -radius * radius;
    const output = (1 - b - c) * input + b * last + c * beforeLast;
    [last, beforeLast] = [output, last];
    return output;
  };
}

function normalize(samples: Float32Array, peak: number): Float32Array {
  const loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 1e-9);
  return samples.map((sample) => (sample / loudest) * peak);
}

/** Numbers from -1 to 1, the same ones each time (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}
