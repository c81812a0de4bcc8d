/** PURE: what the page's form asks for, what it sends, and how an answer is shown. */

/** An input or output as GET /v2/models/M tells it. */
export type Spec = {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
};

export type Tensor = Spec & { readonly data: readonly unknown[] };

export type Picture = {
  readonly kind: "image";
  readonly layout: "NCHW" | "NHWC";
  readonly width: number;
  readonly height: number;
};

export type Field = Picture | { readonly kind: "text" | "file" | "numbers" };

/** Side of a picture where the model takes any. */
const pictureSide = 224;

/**
 * How an input is asked for: a picture where the shape is that of pictures in colour; a picture's file
 * where a task takes it as it is.
 */
export function fieldOf({ name, datatype, shape }: Spec): Field {
  if (datatype === "BYTES") return { kind: name === "image" ? "file" : "text" };
  if (shape.length === 4 && ["FP32", "FP16", "BF16", "UINT8"].includes(datatype)) {
    const [, second, third, fourth] = shape;
    if (second === 3) return { kind: "image", layout: "NCHW", ...sidesOf(fourth, third) };
    if (fourth === 3) return { kind: "image", layout: "NHWC", ...sidesOf(third, second) };
  }
  return { kind: "numbers" };
}

function sidesOf(width = -1, height = -1): { width: number; height: number } {
  return { width: width < 1 ? pictureSide : width, height: height < 1 ? pictureSide : height };
}

/** Whether the model takes pictures of any size. */
export function isResizable({ shape }: Spec, { layout }: Picture): boolean {
  return (layout === "NCHW" ? shape.slice(2) : shape.slice(1, 3)).some((size) => size < 0);
}

/** The sizes an input has when every free one is 1. */
export function sizesOf({ shape }: Spec): number[] {
  return shape.map((size) => (size < 0 ? 1 : size));
}

/** What stands in a field of numbers at first: zeros of the least shape, as nested lists. */
export function exampleOf(spec: Spec): string {
  const element = spec.datatype === "BOOL" ? false : 0;
  const nest = ([size, ...rest]: number[]): unknown =>
    size === undefined ? element : Array.from({ length: size }, () => nest(rest));
  return JSON.stringify(nest(sizesOf(spec)));
}

/** A field's text as a tensor. Throws an Error that says what is wrong with the text. */
export function tensorOf(spec: Spec, text: string): Tensor {
  const { name, datatype } = spec;
  if (datatype === "BYTES") return textTensor(spec, text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`${name}: write numbers as a JSON list, such as ${exampleOf(spec)}`);
  }
  const shape = shapeOf(value, name);
  const data = [value].flat(Number.POSITIVE_INFINITY);
  // A flat list for a model that knows its sizes but one: the missing one follows from the count.
  const fitted = shape.length === spec.shape.length ? shape : fit(spec, data.length, shape);
  return { name, datatype, shape: fitted, data };
}

/** The whole text is one element: contexts have lines, too. */
function textTensor({ name, datatype, shape }: Spec, text: string): Tensor {
  return { name, datatype, shape: shape.map(() => 1), data: [text] };
}

function shapeOf(value: unknown, name: string): number[] {
  if (!Array.isArray(value)) return [];
  const inner = value.map((each) => shapeOf(each, name));
  const [first = []] = inner;
  if (inner.some((each) => each.length !== first.length || each.some((n, at) => n !== first[at]))) {
    throw new Error(`${name}: the rows have different lengths`);
  }
  return [value.length, ...first];
}

function fit(spec: Spec, count: number, shape: number[]): number[] {
  const known = spec.shape.filter((size) => size > 0).reduce((product, size) => product * size, 1);
  const free = spec.shape.filter((size) => size < 0).length;
  if (count % known !== 0 || (free === 0 && count !== known)) return shape;
  let left = count / known;
  return spec.shape.map((size) => {
    if (size >= 0) return size;
    const rows = left;
    left = 1;
    return rows;
  });
}

export const scalings = ["0–1", "−1–1", "ImageNet", "0–255"] as const;
export type Scaling = (typeof scalings)[number];

const imageNet = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

/** A picture's RGBA bytes as a tensor of one picture. */
export function pictureTensor(
  spec: Spec,
  field: Picture,
  pixels: Uint8ClampedArray | Uint8Array,
  scaling: Scaling,
): Tensor {
  const { width, height, layout } = field;
  const size = width * height;
  const data: number[] = Array.from({ length: size * 3 });
  for (let pixel = 0; pixel < size; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      const at = layout === "NCHW" ? channel * size + pixel : pixel * 3 + channel;
      data[at] = scaled(pixels[pixel * 4 + channel] ?? 0, channel, scaling);
    }
  }
  const shape = layout === "NCHW" ? [1, 3, height, width] : [1, height, width, 3];
  return { name: spec.name, datatype: spec.datatype, shape, data };
}

function scaled(value: number, channel: number, scaling: Scaling): number {
  if (scaling === "0–255") return value;
  const share = value / 255;
  if (scaling === "0–1") return Number(share.toFixed(6));
  if (scaling === "−1–1") return Number((share * 2 - 1).toFixed(6));
  const { mean, deviation } = imageNet;
  return Number(((share - (mean[channel] ?? 0)) / (deviation[channel] ?? 1)).toFixed(6));
}

/** The body of a request. */
export function requestBody(inputs: readonly Tensor[]): string {
  return JSON.stringify({ inputs });
}

export function inferPath(model: string): string {
  return `/v2/models/${encodeURIComponent(model)}/infer`;
}

/** More than this is sent from a file: nobody copies it from a line. */
const lineBytesMax = 2000;

/** A line for a shell that sends the same request. */
export function curlOf(origin: string, model: string, body: string): string {
  const url = quoted(origin + inferPath(model));
  const data = body.length > lineBytesMax ? "@request.json" : quoted(body);
  return `curl -X POST ${url} --data-binary ${data}`;
}

/** Lines of Python that send the same request, with nothing but its standard library. */
export function pythonOf(origin: string, model: string, body: string): string {
  const url = JSON.stringify(origin + inferPath(model));
  const data =
    body.length > lineBytesMax
      ? 'open("request.json", "rb").read()'
      : `${pythonText(body)}.encode()`;
  return [
    "import json, urllib.request",
    `request = urllib.request.Request(${url}, data=${data}, method="POST")`,
    "print(json.load(urllib.request.urlopen(request)))",
  ].join("\n");
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * JSON's string literals are Python's, but for what lies beyond the first plane: that is fine too.
 */
function pythonText(text: string): string {
  return JSON.stringify(text);
}

export type Table = {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
};

const rowsMax = 100;
const columnsMax = 20;

/**
 * The outputs that share their first dimension as one table, a row for each; the rest by itself.
 */
export function tableOf(outputs: readonly Tensor[]): Table {
  const count = Math.min(rowsMax, Math.max(1, ...outputs.map(({ shape }) => shape[0] ?? 1)));
  const columns = outputs.flatMap((output) => columnsOf(output));
  return {
    head: ["", ...columns.map(({ title }) => title)],
    rows: Array.from({ length: count }, (_, row) => [
      String(row),
      ...columns.map(({ cells }) => cells[row] ?? ""),
    ]),
  };
}

function columnsOf({ name, shape, data }: Tensor): { title: string; cells: string[] }[] {
  const rows = shape[0] ?? 1;
  const width = rows === 0 ? 0 : data.length / rows;
  const shown = Math.min(width, columnsMax);
  return Array.from({ length: shown }, (_, column) => ({
    title:
      width === 1 ? name : `${name}[${column}]${column === shown - 1 && width > shown ? " …" : ""}`,
    cells: Array.from({ length: Math.min(rows, rowsMax) }, (__, row) =>
      cellOf(data[row * width + column]),
    ),
  }));
}

function cellOf(value: unknown): string {
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return Number(value.toPrecision(6)).toString();
}

/** More names than this make no title. */
const titleNamesMax = 3;

/** What a service of these models is called. */
export function titleOf(models: readonly string[]): string {
  if (models.length === 0) return "Pilotlight";
  return models.length > titleNamesMax ? `${models.length} models` : models.join(", ");
}
