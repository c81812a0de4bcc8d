/** The elements of a BYTES tensor as they are: pictures aren't text. */
import { invalid } from "../errors.ts";
import type { Bytes } from "../protocol/tensor.ts";

/** Views, each of one element. Throws ServingError `invalid` when a length points outside. */
export function unpackElements(packed: Bytes): Bytes[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const elements: Bytes[] = [];
  for (let at = 0; at < packed.byteLength;) {
    const end = at + 4 + (at + 4 <= packed.byteLength ? view.getUint32(at, true) : 0);
    if (end > packed.byteLength) throw invalid("a BYTES element ends outside of its tensor");
    elements.push(packed.subarray(at + 4, end));
    at = end;
  }
  return elements;
}
