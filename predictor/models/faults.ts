/** Why a model of a repository can't be served, for its clients; the log has the whole sentence. */
import { ServingError, messageOf } from "../errors.ts";
import { LoadFailed } from "../executor/supervisor.ts";
import { StorageError } from "../storage/storage-error.ts";

const reasonLengthMax = 300;

/**
 * The fault that requests for the model are answered with: 503, since it may be mended where the
 * model is kept. Paths and addresses stay out of it.
 */
export function faultOfLoad(name: string, error: unknown, version?: string): ServingError {
  if (error instanceof ServingError) return error;
  const known = error instanceof LoadFailed || error instanceof StorageError;
  const reason = known ? `: ${withoutPaths(messageOf(error))}` : "";
  const of = version === undefined ? "" : `version ${version} of `;
  const message = `${of}the model ${JSON.stringify(name)} can't be loaded${reason}`;
  return new ServingError("not-ready", message, { cause: error });
}

/** A foreign sentence without whatever looks like a path or an address. */
export function withoutPaths(text: string): string {
  return text
    .replaceAll(/\S*\/\S*/g, "")
    .replaceAll(/\s+/g, " ")
    .trim()
    .slice(0, reasonLengthMax);
}
