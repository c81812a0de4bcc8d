/**
 * `npm run image`: builds both images into build/images/, without pulling a base.
 * `npm run image -- cuda`: makes build/app/predictor-cuda for Dockerfile.cuda.
 */
import { join } from "node:path";

import { makeCudaFolder } from "./app-folder.ts";
import { buildImages } from "./build.ts";

const root = join(import.meta.dirname, "../..");
const { predictor, controller } = await buildImages(root);
for (const { image, tar, bytes } of [predictor, controller]) {
  process.stdout.write(`${image}: ${tar}, ${Math.round(bytes / 1e6)} MB\n`);
}
if (process.argv[2] === "cuda") {
  try {
    process.stdout.write(`${await makeCudaFolder(root)}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 69;
  }
}
