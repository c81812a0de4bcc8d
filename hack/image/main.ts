/** `npm run image`: builds both images into build/images/, without pulling a base. */
import { join } from "node:path";

import { buildImages } from "./build.ts";

const { predictor, controller } = await buildImages(join(import.meta.dirname, "../.."));
for (const { image, tar, bytes } of [predictor, controller]) {
  process.stdout.write(`${image}: ${tar}, ${Math.round(bytes / 1e6)} MB\n`);
}
