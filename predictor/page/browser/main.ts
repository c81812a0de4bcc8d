/** The page's own script: fields, one request, its answer. What can be decided without a DOM is in form.ts. */
import {
  curlOf,
  exampleOf,
  fieldOf,
  inferPath,
  isResizable,
  pictureTensor,
  pythonOf,
  requestBody,
  scalings,
  tableOf,
  tensorOf,
  titleOf,
} from "../form.ts";
import type { Picture, Scaling, Spec, Tensor } from "../form.ts";

type Metadata = { name: string; inputs: Spec[]; outputs: Spec[] };

/** Gives its tensor now; throws an Error that says what is missing. */
type Input = () => Tensor;

function byId<E extends HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as E;
}

/** Where this predictor lies: below a path, when a proxy put it there. */
const base = new URL(".", document.baseURI);
const select = byId<HTMLSelectElement>("model");
const send = byId<HTMLButtonElement>("send");
let model = "";
let inputs: Input[] = [];

async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await fetch(new URL(path.slice(1), base), init);
  const body = (await response.json()) as T & { error?: string };
  if (!response.ok) throw new Error(body.error ?? `${response.status} ${response.statusText}`);
  return body;
}

function element(name: string, text: string): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function row(cells: readonly string[], name: "td" | "th"): HTMLElement {
  const made = document.createElement("tr");
  made.append(...cells.map((cell) => element(name, cell)));
  return made;
}

function showFault(error: unknown): void {
  const fault = byId("fault");
  fault.textContent = error instanceof Error ? error.message : String(error);
  fault.hidden = false;
}

/** Copies an element's text. Throws an Error that says what to do where the browser refuses. */
async function copy(element: HTMLElement): Promise<void> {
  // Pages by plain HTTP have no clipboard, and most services of a cluster are such.
  const { clipboard } = navigator as { readonly clipboard?: Clipboard };
  if (clipboard !== undefined) {
    await clipboard.writeText(element.textContent ?? "");
    return;
  }
  getSelection()?.selectAllChildren(element);
  // Out of favour, and all that there is without a clipboard.
  if (!document.execCommand("copy")) {
    throw new Error("the browser lets no page copy by plain HTTP: the text is selected, copy it");
  }
}

/** Shows the request as it would be sent now, as far as the fields make one. */
function showLines(): void {
  try {
    const body = requestBody(inputs.map((input) => input()));
    const origin = base.href.replace(/\/$/, "");
    byId("curl").textContent = curlOf(origin, model, body);
    byId("python").textContent = pythonOf(origin, model, body);
    const file = byId<HTMLAnchorElement>("file");
    URL.revokeObjectURL(file.href);
    file.href = URL.createObjectURL(new Blob([body], { type: "application/json" }));
    byId("file-note").hidden = !(byId("curl").textContent ?? "").includes("@request.json");
    byId("fault").hidden = true;
  } catch (error) {
    showFault(error);
  }
}

function textField(spec: Spec, label: HTMLElement): Input {
  const area = document.createElement("textarea");
  area.name = spec.name;
  area.value = spec.datatype === "BYTES" ? "" : exampleOf(spec);
  area.addEventListener("input", showLines);
  label.append(area);
  return () => tensorOf(spec, area.value);
}

/** A number of pixels. */
function sideField(name: string, value: number): HTMLInputElement {
  const side = document.createElement("input");
  Object.assign(side, { type: "number", min: "1", max: "4096", value: String(value), name });
  side.ariaLabel = name;
  return side;
}

function pictureField(spec: Spec, label: HTMLElement, field: Picture): Input {
  const file = document.createElement("input");
  Object.assign(file, { type: "file", accept: "image/*", name: spec.name });
  const scaling = document.createElement("select");
  scaling.append(...scalings.map((name) => new Option(name)));
  scaling.ariaLabel = "Scaling of the values";
  const canvas = document.createElement("canvas");
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  if (brush === null) throw new Error("this browser draws no pictures");
  const sides = [sideField("width", field.width), sideField("height", field.height)];
  const now = (): Picture => {
    const [width = field.width, height = field.height] = sides.map(({ value }) => Number(value));
    return { ...field, width, height };
  };
  const draw = async (): Promise<void> => {
    const { width, height } = now();
    Object.assign(canvas, { width, height });
    const chosen = file.files?.[0];
    if (chosen !== undefined) {
      const bitmap = await createImageBitmap(chosen);
      brush.drawImage(bitmap, 0, 0, width, height);
      bitmap.close();
    }
    showLines();
  };
  Object.assign(canvas, { width: field.width, height: field.height });
  for (const each of [file, ...sides]) {
    each.addEventListener("change", () => void draw().catch(showFault));
  }
  scaling.addEventListener("change", showLines);
  const shownSides = sides.flatMap((side) => [element("span", `${side.name} `), side]);
  label.append(file, ...(isResizable(spec, field) ? shownSides : []));
  label.append(element("span", "values "), scaling, canvas);
  return () => {
    const picture = now();
    const { data } = brush.getImageData(0, 0, picture.width, picture.height);
    return pictureTensor(spec, picture, data, scaling.value as Scaling);
  };
}

/** A file as it is, as base64 text. */
function fileField(spec: Spec, label: HTMLElement): Input {
  const file = document.createElement("input");
  Object.assign(file, { type: "file", accept: "image/*", name: spec.name });
  let url = "";
  file.addEventListener("change", () => {
    const reader = new FileReader();
    reader.addEventListener("load", () => {
      url = typeof reader.result === "string" ? reader.result : "";
      showLines();
    });
    const [chosen] = file.files ?? [];
    if (chosen !== undefined) reader.readAsDataURL(chosen);
  });
  label.append(file);
  return () => {
    if (url === "") throw new Error(`${spec.name}: choose a file`);
    return tensorOf(spec, url);
  };
}

function inputField(spec: Spec): { label: HTMLElement; input: Input } {
  const label = element("label", `${spec.name} `);
  const field = fieldOf(spec);
  const hint = {
    image: `a picture in colour, as ${spec.datatype} [${spec.shape.join(", ")}]`,
    text: "text",
    file: "a picture's file",
    numbers: `${spec.datatype} [${spec.shape.join(", ")}], as JSON`,
  }[field.kind];
  const small = element("span", hint);
  small.className = "hint";
  label.append(small);
  let input: Input;
  if (field.kind === "image") input = pictureField(spec, label, field);
  else input = (field.kind === "file" ? fileField : textField)(spec, label);
  return { label, input };
}

async function choose(name: string): Promise<void> {
  model = name;
  const metadata = await ask<Metadata>(`/v2/models/${encodeURIComponent(name)}`);
  const rows = (kind: string, specs: Spec[]): HTMLElement[] =>
    specs.map(({ name: tensor, datatype, shape }) =>
      row([kind, tensor, datatype, `[${shape.join(", ")}]`], "td"),
    );
  byId("signature")
    .querySelector("tbody")
    ?.replaceChildren(...rows("input", metadata.inputs), ...rows("output", metadata.outputs));
  const fields = metadata.inputs.map(inputField);
  inputs = fields.map(({ input }) => input);
  byId("fields").replaceChildren(...fields.map(({ label }) => label));
  byId("answer").hidden = true;
  byId("fault").hidden = true;
  showLines();
}

async function submit(): Promise<void> {
  const body = requestBody(inputs.map((input) => input()));
  const started = performance.now();
  const answer = await ask<{ outputs: Tensor[] }>(inferPath(model), { method: "POST", body });
  const ms = performance.now() - started;
  const table = tableOf(answer.outputs);
  byId("timing").textContent = `answered in ${ms.toFixed(1)} ms`;
  byId("table").querySelector("thead")?.replaceChildren(row(table.head, "th"));
  byId("table")
    .querySelector("tbody")
    ?.replaceChildren(...table.rows.map((cells) => row(cells, "td")));
  byId("json").textContent = JSON.stringify(answer, undefined, 2);
  byId("answer").hidden = false;
  byId("fault").hidden = true;
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  send.disabled = true;
  submit()
    .catch(showFault)
    .finally(() => (send.disabled = false));
});
for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-copy]")) {
  button.addEventListener("click", () => {
    copy(byId(button.dataset["copy"] ?? ""))
      .then(() => (button.textContent = "Copied"))
      .catch(showFault);
  });
}
select.addEventListener("change", () => void choose(select.value).catch(showFault));

function introduce(title: string, server: string): void {
  byId("title").textContent = title;
  document.title = `${title} · Pilotlight`;
  byId("about").textContent =
    `Served by ${server}, by the Open Inference Protocol and KServe's v1. What it takes and gives ` +
    "is below, with a form to try it and lines to call it from elsewhere.";
}

async function start(): Promise<void> {
  const state = byId("state");
  const { ok } = await fetch(new URL("v2/health/ready", base));
  state.textContent = ok ? "ready" : "not ready yet";
  state.classList.toggle("ready", ok);
  const [server, { models }] = await Promise.all([
    ask<{ name: string; version: string }>("/v2"),
    ask<{ models: string[] }>("/v1/models"),
  ]);
  introduce(titleOf(models), `${server.name} ${server.version}`);
  select.replaceChildren(...models.map((name) => new Option(name)));
  const [first] = models;
  if (first === undefined) throw new Error("there is no model yet: it is still loading");
  await choose(first);
}

void start().catch(showFault);
