import { PassingHash, loneDigest } from "./contents.ts";
import { parseRetryAfterMs } from "./http-client.ts";
import type { HttpReply } from "./http-client.ts";
import type { Fetch, FetchContext, Fetched } from "./origin.ts";
import { clearFolder, placeObject } from "./place.ts";
import { rangeHeaders, strongEtag, wholeLength } from "./ranged.ts";
import type { Digest, GetRange } from "./ranged.ts";
import { sendFollowing } from "./redirects.ts";
import type { FollowedReply } from "./redirects.ts";
import { TransientError, retry } from "./retry.ts";
import { StorageError } from "./storage-error.ts";

/** Fetches one file or archive from a web server. */
export function createHttpsOrigin(url: URL, context: FetchContext): Fetch {
  return (into, known) =>
    retry(async () => {
      await clearFolder(into);
      return fetchOnce(url, { into, known, context });
    }, context);
}

interface Attempt {
  readonly into: string;
  readonly known: string | undefined;
  readonly context: FetchContext;
}

async function fetchOnce(url: URL, { into, known, context }: Attempt): Promise<Fetched> {
  const { shown, bytesMax, http } = context;
  const { reply, url: last } = await ask(url, known, context);
  if (reply.status === 304) return { kind: "unchanged" };
  const etag = strongEtag(reply);
  // From the address that answered: the redirect to it may lead elsewhere next time.
  const getRange: GetRange = (range, signal) => {
    const headers = { ...plainHeaders, ...rangeHeaders(range, etag) };
    return http.send({ method: "GET", url: last, headers }, signal);
  };
  const digest = parseContentMd5(reply.headers["content-md5"]);
  const tag = reply.headers.etag;
  const passing = digest === undefined && tag === undefined ? new PassingHash() : undefined;
  await placeObject(reply, {
    into,
    shown,
    bytesMax,
    retrying: context,
    fileName: context.fileName,
    bytes: wholeLength(reply),
    digest,
    passing,
    getRange: etag === undefined ? undefined : getRange,
  });
  return { kind: "fetched", validator: tag, digest: loneDigest(digest ?? passing?.digest(), tag) };
}

async function ask(
  start: URL,
  known: string | undefined,
  { http, shown, signal }: FetchContext,
): Promise<FollowedReply> {
  const headers: Record<string, string> = { ...plainHeaders };
  if (known !== undefined) headers["if-none-match"] = known;
  const followed = await sendFollowing(
    http,
    { method: "GET", url: start, headers },
    {
      shown,
      signal,
    },
  );
  const { reply } = followed;
  if (reply.status === 200) return followed;
  if (reply.status === 304 && known !== undefined) {
    reply.body.resume();
    return followed;
  }
  reply.body.destroy();
  throw refusal(reply, shown);
}

/** Compressed on its way, a file's ranges and digest would be those of something else. */
const plainHeaders = { accept: "*/*", "accept-encoding": "identity" };

function refusal({ status, headers }: HttpReply, shown: string): Error {
  if (status === 404 || status === 410) {
    return new StorageError("not-found", `${shown}: HTTP ${status}, not there; check the address`);
  }
  if (status === 401 || status === 403 || status === 407) {
    return new StorageError(
      "access-denied",
      `${shown}: HTTP ${status}, access denied; https:// is fetched without credentials, ` +
        "so use a public or signed address, or s3:// with keys",
    );
  }
  if (status >= 500 || status === 408 || status === 425 || status === 429) {
    const retryAfterMs = parseRetryAfterMs(headers["retry-after"]);
    return new TransientError(`the server answered HTTP ${status}`, { retryAfterMs });
  }
  return new StorageError("unavailable", `${shown}: HTTP ${status}; check the address`);
}

/** Content-MD5 of RFC 1864. */
export function parseContentMd5(header: string | string[] | undefined): Digest | undefined {
  const digest = typeof header === "string" ? Buffer.from(header, "base64") : undefined;
  return digest?.length === 16 ? { algorithm: "md5", hex: digest.toString("hex") } : undefined;
}
