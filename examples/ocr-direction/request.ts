/** `node examples/ocr-direction/request.ts WORD` prints a request: the word upright, then upside down. */
import { drawText, toTensor, turnAround } from "./picture.ts";

/** A request with the word as it is read and as it lies the wrong way round. */
export function makeRequest(word: string): object {
  const upright = drawText(word);
  const { shape, data } = toTensor([upright, turnAround(upright)]);
  return { inputs: [{ name: "x", datatype: "FP32", shape, data }] };
}

if (import.meta.main) {
  process.stdout.write(`${JSON.stringify(makeRequest(process.argv[2] ?? "PILOT"))}\n`);
}
