import { join } from "node:path";

import { listLocal, refuseForeignFile } from "../storage/local.ts";
import { selectVersions } from "./layout.ts";

/** One version and the absolute path of its .onnx file. */
export interface ModelVersion {
  readonly version: string;
  readonly path: string;
}

/** The versions that lie in a folder, none of them recognisably something else than a model. */
export async function readFolder(path: string, shown: string): Promise<ModelVersion[]> {
  const versions = selectVersions(await listLocal(path, shown), shown);
  for (const { file } of versions) await refuseForeignFile(join(path, file), `${shown}: ${file}`);
  return versions.map(({ version, file }) => ({ version, path: join(path, file) }));
}
