/**
 * Resizing as Pillow does it, to the last bit: models learned from pictures that it resized. Two
 * passes of a filter as wide as the shrinking, in fixed-point numbers with 8-bit results between.
 */
import type { Picture } from "./picture.ts";

/** By Pillow's numbers, which preprocessor_config.json holds. */
export const filters: Readonly<Record<number, Filter>> = {
  1: { support: 3, weigh: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
  2: { support: 1, weigh: (x) => Math.max(0, 1 - Math.abs(x)) },
  3: { support: 2, weigh: cubic },
  4: { support: 0.5, weigh: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  5: { support: 1, weigh: hamming },
};

type Filter = { readonly support: number; readonly weigh: (x: number) => number };

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

function cubic(x: number): number {
  const [a, far] = [-0.5, Math.abs(x)];
  if (far < 1) return ((a + 2) * far - (a + 3)) * far * far + 1;
  return far < 2 ? (((far - 5) * far + 8) * far - 4) * a : 0;
}

function hamming(x: number): number {
  const far = Math.abs(x);
  if (far === 0) return 1;
  return far >= 1 ? 0 : sinc(far) * (0.54 + 0.46 * Math.cos(far * Math.PI));
}

/** Fraction bits of the weights: 32 less 8 of a pixel and 2 for sums above one. */
const precision = 22;
const nearest = 0;

/** The picture in another size. `filter` is one of Pillow's numbers, 0 for the nearest pixel. */
export function resize(picture: Picture, width: number, height: number, filter: number): Picture {
  if (picture.width === width && picture.height === height) return picture;
  if (filter === nearest) return pickNearest(picture, width, height);
  const chosen = filters[filter];
  if (chosen === undefined) throw new Error(`resample ${filter} is no filter of Pillow's`);
  const wide = picture.width === width ? picture : resizeRows(picture, width, chosen);
  return wide.height === height ? wide : resizeColumns(wide, height, chosen);
}

type Weights = { readonly from: number; readonly values: Int32Array };

function weightsOf(before: number, after: number, { support, weigh }: Filter): Weights[] {
  const scale = before / after;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  return Array.from({ length: after }, (_, at) => {
    const center = (at + 0.5) * scale;
    const from = Math.max(0, Math.trunc(center - reach + 0.5));
    const to = Math.min(before, Math.trunc(center + reach + 0.5));
    const raw = Array.from({ length: to - from }, (_each, index) =>
      weigh((index + from - center + 0.5) * (1 / stretch)),
    );
    const sum = raw.reduce((total, each) => total + each, 0);
    const fixed = raw.map((each) => (sum === 0 ? each : each / sum) * 2 ** precision);
    const values = Int32Array.from(fixed, (each) => Math.trunc(each < 0 ? each - 0.5 : each + 0.5));
    return { from, values };
  });
}

/** Half is added before the fraction goes; what lies beyond a byte is cut. */
function toByte(sum: number): number {
  const value = Math.floor((sum + 2 ** (precision - 1)) / 2 ** precision);
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

function resizeRows({ width: before, height, data }: Picture, width: number, by: Filter): Picture {
  const out = new Uint8Array(width * height * 3);
  for (const [x, { from, values }] of weightsOf(before, width, by).entries()) {
    for (let y = 0; y < height; y++) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        let at = (y * before + from) * 3 + channel;
        for (let index = 0; index < values.length; index++, at += 3) {
          sum += (data[at] ?? 0) * (values[index] ?? 0);
        }
        out[(y * width + x) * 3 + channel] = toByte(sum);
      }
    }
  }
  return { width, height, data: out };
}

function resizeColumns(
  { width, height: before, data }: Picture,
  height: number,
  by: Filter,
): Picture {
  const row = width * 3;
  const out = new Uint8Array(row * height);
  for (const [y, { from, values }] of weightsOf(before, height, by).entries()) {
    for (let x = 0; x < row; x++) {
      let sum = 0;
      let at = from * row + x;
      for (let index = 0; index < values.length; index++, at += row) {
        sum += (data[at] ?? 0) * (values[index] ?? 0);
      }
      out[y * row + x] = toByte(sum);
    }
  }
  return { width, height, data: out };
}

function pickNearest(picture: Picture, width: number, height: number): Picture {
  const out = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const fromY = Math.min(picture.height - 1, Math.floor(((y + 0.5) * picture.height) / height));
    for (let x = 0; x < width; x++) {
      const fromX = Math.min(picture.width - 1, Math.floor(((x + 0.5) * picture.width) / width));
      const from = (fromY * picture.width + fromX) * 3;
      out.set(picture.data.subarray(from, from + 3), (y * width + x) * 3);
    }
  }
  return { width, height, data: out };
}
