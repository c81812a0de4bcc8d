/// <reference lib="esnext.float16" />
/** From pixels to the model's input, by preprocessor_config.json. */
import { narrow } from "../../protocol/bfloat16.ts";
import { isObject } from "../../protocol/json.ts";
import type { JsonObject } from "../../protocol/json.ts";
import type { Tensor } from "../../protocol/tensor.ts";
import type { Picture } from "./picture.ts";
import { filters, resize } from "./resample.ts";

type Size = { readonly width: number; readonly height: number };

/** transformers' defaults: ImageNet's statistics are those of most models that leave them out. */
const imageNetMean = [0.485, 0.456, 0.406];
const imageNetDeviation = [0.229, 0.224, 0.225];
const bilinear = 2;

/**
 * A picture as pixel_values [1, 3, height, width]: resized, cropped, rescaled, normalised as far as
 * the configuration asks for each, in FP32 or what the input takes: FP16 of a graph in half
 * precision. Throws for settings of processors that work otherwise.
 */
export function preparePicture(
  picture: Picture,
  config: JsonObject,
  { name, datatype }: Pick<Tensor, "name" | "datatype">,
): Tensor {
  const resized = asked(config, "do_resize", true) ? resizeBy(picture, config) : picture;
  const crop = asked(config, "do_center_crop", false) ? sizeOf(config["crop_size"]) : undefined;
  const cropped = crop === undefined ? resized : centerCrop(resized, crop);
  const factor = asked(config, "do_rescale", true)
    ? numberOf(config["rescale_factor"], 1 / 255)
    : 1;
  const normalises = asked(config, "do_normalize", true);
  const mean = normalises ? numbersOf(config["image_mean"], imageNetMean) : [0, 0, 0];
  const deviation = normalises ? numbersOf(config["image_std"], imageNetDeviation) : [1, 1, 1];
  const { width, height, data } = cropped;
  const values = new Float32Array(3 * width * height);
  for (let channel = 0; channel < 3; channel++) {
    const [shift, scale] = [mean[channel] ?? 0, deviation[channel] ?? 1];
    // A byte has 256 values: each is computed once, in the steps and the precision of numpy.
    const table = Float32Array.from({ length: 256 }, (_, byte) =>
      Math.fround(
        Math.fround(Math.fround(byte * factor) - Math.fround(shift)) / Math.fround(scale),
      ),
    );
    const plane = channel * width * height;
    for (let pixel = 0; pixel < width * height; pixel++) {
      values[plane + pixel] = table[data[pixel * 3 + channel] ?? 0] ?? 0;
    }
  }
  const shape = [1, 3, height, width];
  const as = { name, shape };
  if (datatype === "FP16") {
    return { ...as, datatype, data: new Uint8Array(Float16Array.from(values).buffer) };
  }
  if (datatype === "BF16") return { ...as, datatype, data: new Uint8Array(narrow(values).buffer) };
  return { ...as, datatype: "FP32", data: new Uint8Array(values.buffer) };
}

function asked(config: JsonObject, name: string, fallback: boolean): boolean {
  const value = config[name];
  return typeof value === "boolean" ? value : fallback;
}

const numberOf = (value: unknown, fallback: number): number =>
  typeof value === "number" ? value : fallback;

const numbersOf = (value: unknown, fallback: readonly number[]): readonly number[] =>
  Array.isArray(value) && value.every((each) => typeof each === "number") ? value : fallback;

function resizeBy(picture: Picture, config: JsonObject): Picture {
  const filter = numberOf(config["resample"], bilinear);
  if (filter !== 0 && filters[filter] === undefined) {
    throw new Error(`preprocessor_config.json: resample is ${filter}, not one of 0 to 5`);
  }
  const { width, height } = targetOf(picture, config["size"] ?? 224);
  return resize(picture, width, height, filter);
}

/** `size` is a square's edge, width and height, or the length of the shortest edge. */
function targetOf(picture: Picture, size: unknown): Size {
  const shortest = isObject(size) ? size["shortest_edge"] : undefined;
  if (typeof shortest !== "number") return sizeOf(size);
  const { width, height } = picture;
  const along = (long: number, short: number): number => Math.trunc((shortest * long) / short);
  return width <= height
    ? { width: shortest, height: along(height, width) }
    : { width: along(width, height), height: shortest };
}

function sizeOf(size: unknown): Size {
  if (typeof size === "number") return { width: size, height: size };
  if (isObject(size) && typeof size["width"] === "number" && typeof size["height"] === "number") {
    return { width: size["width"], height: size["height"] };
  }
  const shown = JSON.stringify(size);
  throw new Error(`preprocessor_config.json: size ${shown} is not width and height, or one edge`);
}

/** What lies outside of a smaller picture is black. */
function centerCrop(picture: Picture, { width, height }: Size): Picture {
  // Below 0 where the picture is smaller than the crop.
  const top = Math.floor((picture.height - height) / 2);
  const left = Math.floor((picture.width - width) / 2);
  const data = new Uint8Array(width * height * 3);
  for (let y = Math.max(0, -top); y < Math.min(height, picture.height - top); y++) {
    const first = Math.max(0, -left);
    const last = Math.min(width, picture.width - left);
    const from = ((y + top) * picture.width + first + left) * 3;
    const row = picture.data.subarray(from, from + (last - first) * 3);
    data.set(row, (y * width + first) * 3);
  }
  return { width, height, data };
}
