/** What stands in the documentation to be run. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

/** The code blocks of a Markdown file of this checkout, of one language or of none. */
export function blocksOf(path: string, language = ""): string[] {
  const text = readFileSync(join(ROOT, path), "utf8");
  return [...text.matchAll(/^```(\w*)\n(.*?)^```/gms)].flatMap(([, of, block = ""]) =>
    of === language ? [block.trim()] : [],
  );
}
