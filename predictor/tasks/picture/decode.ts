/**
 * JPEG and PNG as pixels. JPEG by mozjpeg in WebAssembly, whose pixels are those of Pillow's libjpeg,
 * and whose faults, if a picture finds one, stay inside of its own memory.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { invalid } from "../../errors.ts";
import type { Bytes } from "../../protocol/tensor.ts";
import type { Picture } from "./picture.ts";

/** 25 megapixels, those of a good camera: 100 MB as it's decoded, and several times that meanwhile. */
const pixelsMax = 25_000_000;

/** Deflate makes no more of a byte. */
const deflateFactorMax = 1032;

type Decoded = {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
};
type Decoder = { decode(bytes: Uint8Array, turn: boolean): Decoded | null };

/** Throws ServingError `invalid` for what is no whole JPEG or PNG picture, or too large a one. */
export async function decodePicture(bytes: Bytes): Promise<Picture> {
  const kind = kindOf(bytes);
  if (kind === undefined) throw invalid("the image is neither a JPEG nor a PNG file");
  const size = kind === "jpeg" ? jpegSize(bytes) : pngSize(bytes);
  if (size === undefined) throw broken();
  if (size.width * size.height > pixelsMax) {
    throw invalid(`the image has ${size.width}×${size.height} pixels, more than ${pixelsMax}`);
  }
  if (kind === "png" && pngBytes(bytes, size) > bytes.byteLength * deflateFactorMax) throw broken();
  const decoded = kind === "jpeg" ? await decodeJpeg(bytes) : await decodePng(bytes);
  return withoutAlpha(decoded);
}

function broken(): Error {
  return invalid("the image is broken or cut short");
}

/** By the first bytes, which no base64 text begins with. */
export function kindOf(bytes: Uint8Array): "jpeg" | "png" | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return "jpeg";
  return bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[2] === 0x4e ? "png" : undefined;
}

type Size = { readonly width: number; readonly height: number };

function pngSize(bytes: Uint8Array): Size | undefined {
  if (bytes.byteLength < 24) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

const channels: Readonly<Record<number, number>> = { 2: 3, 4: 2, 6: 4 };

/** What its pixels take before they are packed. */
function pngBytes(bytes: Uint8Array, { width, height }: Size): number {
  const [depth = 0, colour = 0] = bytes.subarray(24);
  return (width * height * depth * (channels[colour] ?? 1)) / 8;
}

/** From the frame's header, one of the markers C0 to CF but for three of them. */
function jpegSize(bytes: Uint8Array): Size | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 2; at + 9 < bytes.byteLength;) {
    const marker = bytes[at + 1] ?? 0;
    if (bytes[at] !== 0xff) return undefined;
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    }
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return undefined;
}

let jpeg: Promise<Decoder> | undefined;

async function decodeJpeg(bytes: Bytes): Promise<Decoded> {
  // The decoder fills up with grey what is missing; a picture ends with this marker.
  if (bufferOf(bytes).lastIndexOf(Buffer.of(0xff, 0xd9)) === -1) throw broken();
  jpeg ??= openDecoder();
  try {
    const decoded = (await jpeg).decode(bytes, true);
    if (decoded !== null) return decoded;
  } catch {
    // It exits on what it can't read, and is used up then.
    jpeg = undefined;
  }
  throw broken();
}

async function openDecoder(): Promise<Decoder> {
  const path = createRequire(import.meta.url).resolve("@jsquash/jpeg/codec/dec/mozjpeg_dec.js");
  const imported = (await import(pathToFileURL(path).href)) as {
    default: (options: object) => Promise<Decoder>;
  };
  const wasmBinary = await readFile(path.replace(/\.js$/, ".wasm"));
  return imported.default({ noInitialRun: true, printErr: () => {}, wasmBinary });
}

function bufferOf({ buffer, byteOffset, byteLength }: Bytes): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

async function decodePng(bytes: Bytes): Promise<Decoded> {
  const { PNG } = await import("pngjs");
  try {
    return PNG.sync.read(bufferOf(bytes));
  } catch {
    throw broken();
  }
}

/** Transparency is dropped, not blended: as Pillow converts to RGB. In place: memory is scarce. */
function withoutAlpha({ width, height, data }: Decoded): Picture {
  const pixels = width * height * 3;
  for (let from = 0, to = 0; to < pixels; from += 4, to += 3) {
    data[to] = data[from] ?? 0;
    data[to + 1] = data[from + 1] ?? 0;
    data[to + 2] = data[from + 2] ?? 0;
  }
  return { width, height, data: new Uint8Array(data.buffer, data.byteOffset, pixels) };
}
