import type { FolderListing } from "../storage/local.ts";
import { StorageError } from "../storage/storage-error.ts";

/** One version of a model, its file relative to the folder. */
export interface LayoutVersion {
  readonly version: string;
  readonly file: string;
}

const NAMES_SHOWN_MAX = 5;
/** Of a model in several graphs (optimum's names) the one that comes first; a task finds the others. */
const EXPORTED = [
  "model.onnx",
  "encoder_model.onnx",
  "decoder_model_merged.onnx",
  "decoder_model.onnx",
];
const VERSION_FOLDER = /^(0|[1-9][0-9]{0,14})$/;

/**
 * Which versions a folder holds, lowest first: `model.onnx` or exactly one `.onnx` is version 1, also
 * in `onnx/` beside a config.json; else numbered folders that each hold such a file. `shown` names the folder in messages. Throws
 * StorageError "not-found" (no model) or "invalid" (several could be meant).
 */
export function selectVersions(folder: FolderListing, shown: string): LayoutVersion[] {
  const numbered = [...folder.folders.keys()].filter((name) => VERSION_FOLDER.test(name));
  const single = selectModelFile(folder.files, shown) ?? selectExported(folder, shown);
  if (single !== undefined && numbered.length > 0) {
    throw new StorageError(
      "invalid",
      `${shown}: holds both ${single} and version folders (${shownNames(numbered)}); ` +
        `move ${single} into a version folder or remove the others`,
    );
  }
  if (single !== undefined) return [{ version: "1", file: single }];
  if (numbered.length === 0) throw noModel(folder, shown);
  return numbered
    .sort((one, other) => Number(one) - Number(other))
    .map((version) => {
      const inside = `${shown.replace(/\/$/, "")}/${version}`;
      const file = selectModelFile(folder.folders.get(version) ?? [], inside);
      if (file !== undefined) return { version, file: `${version}/${file}` };
      throw new StorageError(
        "not-found",
        `${inside}: version folder without an .onnx file; finish its upload or remove it`,
      );
    });
}

/**
 * The folder that an archive wraps around its content (`iris/model.onnx`), if it does. A numbered
 * folder is a version, not a wrapping.
 */
export function selectWrapping(folder: FolderListing): string | undefined {
  const [only, ...others] = [...folder.folders.keys()].filter((name) => !isHidden(name));
  const wrapped = only !== undefined && others.length === 0 && !VERSION_FOLDER.test(only);
  return wrapped && !folder.files.some(isModel) ? only : undefined;
}

/** Hugging Face's layout: the graphs in `onnx/`, config.json beside it. */
function selectExported(folder: FolderListing, shown: string): string | undefined {
  if (!folder.files.includes("config.json")) return undefined;
  const file = selectModelFile(folder.folders.get("onnx") ?? [], `${shown}/onnx`);
  return file === undefined ? undefined : `onnx/${file}`;
}

function selectModelFile(files: readonly string[], shown: string): string | undefined {
  const models = files.filter(isModel).sort();
  const named = EXPORTED.find((name) => models.includes(name));
  if (named !== undefined || models.length <= 1) return named ?? models[0];
  throw new StorageError(
    "invalid",
    `${shown}: holds several .onnx files (${shownNames(models)}); ` +
      "name one of them model.onnx, or let storageUri name one of them",
  );
}

function noModel(folder: FolderListing, shown: string): StorageError {
  const names = [...folder.folders.keys(), ...folder.files].filter((name) => !isHidden(name));
  const found = names.length === 0 ? "it is empty" : `it holds ${shownNames(names.sort())}`;
  return new StorageError(
    "not-found",
    `${shown}: no .onnx file there (${found}); ` +
      "put model.onnx there, or numbered folders such as 1/model.onnx",
  );
}

/** Kubernetes' mounts keep their generations in `..data`, macOS its attributes in `._model.onnx`. */
function isHidden(name: string): boolean {
  return name.startsWith(".");
}

function isModel(name: string): boolean {
  return name.endsWith(".onnx") && !isHidden(name);
}

function shownNames(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(", ");
  return names.length > NAMES_SHOWN_MAX
    ? `${shown} and ${names.length - NAMES_SHOWN_MAX} more`
    : shown;
}
