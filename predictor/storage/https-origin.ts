import { parseLength, parseRetryAfterMs, receive } from "./http-client.ts";
import type { HttpReply } from "./http-client.ts";
import type { Fetch, FetchContext, Fetched } from "./origin.ts";
import { clearFolder, placeObject } from "./place.ts";
import { TransientError, retry } from "./retry.ts";
import { StorageError } from "./storage-error.ts";

const REDIRECTS_MAX = 3;

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
  const { shown, bytesMax, signal } = context;
  const reply = await follow(url, known, context);
  if (reply.status === 304) return { kind: "unchanged" };
  await placeObject(receive(reply), {
    into,
    shown,
    bytesMax,
    signal,
    bytes: parseLength(reply.headers["content-length"]),
    md5: parseContentMd5(reply.headers["content-md5"]),
  });
  return { kind: "fetched", validator: reply.headers.etag };
}

/** Follows a few redirects; nothing secret is sent along, for nothing secret is sent at all. */
async function follow(
  start: URL,
  known: string | undefined,
  { http, shown, signal }: FetchContext,
): Promise<HttpReply> {
  let url = start;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const headers: Record<string, string> = { accept: "*/*", "accept-encoding": "identity" };
    if (known !== undefined) headers["if-none-match"] = known;
    const reply = await http.send({ method: "GET", url, headers }, signal);
    if (reply.status === 200) return reply;
    if (reply.status === 304 && known !== undefined) {
      reply.body.resume();
      return reply;
    }
    reply.body.destroy();
    if (![301, 302, 303, 307, 308].includes(reply.status)) throw refusal(reply, shown);
    url = parseRedirect(url, reply.headers.location, { start, shown });
  }
  throw new StorageError(
    "unavailable",
    `${shown}: more than ${REDIRECTS_MAX} redirects; let storageUri name the last address`,
  );
}

/** Where a redirect leads. Throws StorageError if that is less safe than where it came from. */
function parseRedirect(
  from: URL,
  location: string | undefined,
  { start, shown }: { readonly start: URL; readonly shown: string },
): URL {
  if (location === undefined || !URL.canParse(location, from.href)) {
    throw new StorageError("unavailable", `${shown}: redirects to nowhere; check the address`);
  }
  const url = new URL(location, from);
  const secure = url.protocol === "https:" || (url.protocol === "http:" && isPlain(start));
  if (secure && url.username === "" && url.password === "") return url;
  throw new StorageError(
    "invalid",
    `${shown}: redirects to ${url.protocol}//${url.host}, which is not followed; use https://`,
  );
}

/** Plain HTTP may stay plain: it was allowed for this server by name. */
function isPlain(url: URL): boolean {
  return url.protocol === "http:";
}

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

/** Content-MD5 of RFC 1864, in hexadecimal. */
function parseContentMd5(header: string | string[] | undefined): string | undefined {
  const digest = typeof header === "string" ? Buffer.from(header, "base64") : undefined;
  return digest?.length === 16 ? digest.toString("hex") : undefined;
}
