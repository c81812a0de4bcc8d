import { parseRetryAfterMs, readText } from "./http-client.ts";
import type { HttpReply } from "./http-client.ts";
import { TransientError } from "./retry.ts";
import { StorageError, printable } from "./storage-error.ts";

const ERROR_BYTES_MAX = 64 * 1024;
const SAID_LENGTH_MAX = 300;

/** What to do about a refusal, by whose fault it is. */
export interface Remedies {
  readonly denied: string;
  readonly missing: string;
}

/**
 * The error to throw for a reply that was not wanted: TransientError if another attempt may
 * succeed. `read` finds the server's own words in its body.
 */
export async function refusalOf(
  reply: HttpReply,
  shown: string,
  remedies: Remedies,
  read: (body: string) => string | undefined,
): Promise<StorageError | TransientError> {
  const { status, headers } = reply;
  const words = read(await readText(reply, ERROR_BYTES_MAX));
  const said = words ? `HTTP ${status}: ${printable(words, SAID_LENGTH_MAX)}` : `HTTP ${status}`;
  if (status >= 500 || status === 408 || status === 425 || status === 429) {
    const retryAfterMs = parseRetryAfterMs(headers["retry-after"]);
    return new TransientError(`the server answered ${said}`, { retryAfterMs });
  }
  if (status === 401 || status === 403) {
    return new StorageError(
      "access-denied",
      `${shown}: access denied (${said}); ${remedies.denied}`,
    );
  }
  if (status === 404 || status === 410) {
    return new StorageError("not-found", `${shown}: not there (${said}); ${remedies.missing}`);
  }
  return new StorageError("unavailable", `${shown}: refused (${said}); ${remedies.missing}`);
}
