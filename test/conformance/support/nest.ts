/** Flat data as nested arrays. */
import type { InferTensor } from "./target.ts";

/** The data of a tensor, nested like its shape. */
export function nest({ shape, data }: InferTensor): unknown[] {
  let level: unknown[] = [...data];
  for (const size of shape.slice(1).toReversed()) {
    const rows: unknown[] = [];
    for (let at = 0; at < level.length; at += size) rows.push(level.slice(at, at + size));
    level = rows;
  }
  return level;
}
