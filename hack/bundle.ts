/** `npm run build`: bundles the programs into dist/. With --strict, all of them have to be there. */
import { stat } from "node:fs/promises";
import { join, relative } from "node:path";

import { bundle } from "./bundle/bundle.ts";

const root = join(import.meta.dirname, "..");
const strict = process.argv.includes("--strict");
for (const path of await bundle({ root, outdir: join(root, "dist"), strict })) {
  const { size } = await stat(path);
  process.stdout.write(`${relative(root, path)} ${Math.ceil(size / 1024)} KiB\n`);
}
