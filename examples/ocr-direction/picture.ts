/** A line of print drawn by calculation, so that the example needs no picture and no font. */

/** What the model takes: 48 rows of 192 pixels. */
export const HEIGHT = 48;
export const WIDTH = 192;

/** Grey values from 0 (ink) to 1 (paper), row by row. */
export type Picture = Float32Array;

/** Capital letters and digits, 5 pixels wide, 7 high; a row is five bits. */
const GLYPHS: Readonly<Record<string, readonly number[]>> = {
  A: [14, 17, 17, 31, 17, 17, 17],
  D: [30, 17, 17, 17, 17, 17, 30],
  E: [31, 16, 16, 30, 16, 16, 31],
  G: [14, 17, 16, 23, 17, 17, 15],
  I: [14, 4, 4, 4, 4, 4, 14],
  L: [16, 16, 16, 16, 16, 16, 31],
  O: [14, 17, 17, 17, 17, 17, 14],
  P: [30, 17, 17, 30, 16, 16, 16],
  R: [30, 17, 17, 30, 20, 18, 17],
  T: [31, 4, 4, 4, 4, 4, 4],
  "2": [14, 17, 1, 6, 8, 16, 31],
  "4": [2, 6, 10, 18, 31, 2, 2],
  "7": [31, 1, 2, 4, 8, 8, 8],
};
const [GLYPH_WIDTH, GLYPH_HEIGHT] = [5, 7];

/** Draws a word, its edges softened as a camera softens them. Throws for an unknown letter. */
export function drawText(text: string): Picture {
  const columns = text.length * (GLYPH_WIDTH + 1) - 1;
  const scale = Math.min((WIDTH - 16) / columns, (HEIGHT - 12) / GLYPH_HEIGHT);
  const left = (WIDTH - columns * scale) / 2;
  const top = (HEIGHT - GLYPH_HEIGHT * scale) / 2;
  const inkAt = (x: number, y: number): boolean => {
    const column = Math.floor((x - left) / scale);
    const row = Math.floor((y - top) / scale);
    if (column < 0 || column >= columns || row < 0 || row >= GLYPH_HEIGHT) return false;
    const letter = text[Math.floor(column / (GLYPH_WIDTH + 1))] ?? "";
    const glyph = GLYPHS[letter];
    if (glyph === undefined) throw new Error(`no glyph for "${letter}"`);
    const bit = GLYPH_WIDTH - 1 - (column % (GLYPH_WIDTH + 1));
    return bit >= 0 && (((glyph[row] ?? 0) >> bit) & 1) === 1;
  };
  return Float32Array.from({ length: WIDTH * HEIGHT }, (_, at) => {
    const [x, y] = [at % WIDTH, Math.floor(at / WIDTH)];
    return 1 - coverage(inkAt, x, y);
  });
}

/** The same picture upside down, as a page lies in a scanner. */
export function turnAround(picture: Picture): Picture {
  return picture.toReversed();
}

/** What the model was trained on: three channels, ink -1, paper 1. */
export function toTensor(pictures: readonly Picture[]): { shape: number[]; data: number[] } {
  const data = pictures.flatMap((picture) => {
    // Four digits are more than the 8 bits of a pixel hold, and keep the request short.
    const channel = Array.from(picture, (value) => Number((value * 2 - 1).toFixed(4)));
    return [channel, channel, channel].flat();
  });
  return { shape: [pictures.length, 3, HEIGHT, WIDTH], data };
}

const SAMPLES = 5;

/** How much of a pixel and its surroundings is ink. */
function coverage(inkAt: (x: number, y: number) => boolean, x: number, y: number): number {
  let ink = 0;
  for (let row = 0; row < SAMPLES; row += 1) {
    for (let column = 0; column < SAMPLES; column += 1) {
      if (inkAt(x + (column * 1.6) / SAMPLES - 0.3, y + (row * 1.6) / SAMPLES - 0.3)) ink += 1;
    }
  }
  return ink / SAMPLES ** 2;
}
