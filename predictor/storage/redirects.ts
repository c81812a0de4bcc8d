import type { HttpClient, HttpReply, HttpRequest } from "./http-client.ts";
import { StorageError } from "./storage-error.ts";

const REDIRECTS_MAX = 3;

/** A reply that is no redirect, and the address that it came from. */
export interface FollowedReply {
  readonly reply: HttpReply;
  readonly url: URL;
}

/**
 * Sends a request and follows a few redirects. Credentials go to the first origin only, and no
 * other origin is trusted. Throws StorageError when they lead nowhere, in a circle, or from https
 * to http.
 */
export async function sendFollowing(
  http: HttpClient,
  request: HttpRequest,
  { shown, signal }: { readonly shown: string; readonly signal: AbortSignal },
): Promise<FollowedReply> {
  const start = request.url;
  let asked = request;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const reply = await http.send(asked, signal);
    if (![301, 302, 303, 307, 308].includes(reply.status)) return { reply, url: asked.url };
    reply.body.destroy();
    const url = parseRedirect(asked.url, reply.headers.location, { start, shown });
    if (url.origin === start.origin) asked = { ...request, url };
    else asked = { ...request, url, headers: withoutCredentials(request.headers), trusted: false };
  }
  throw new StorageError(
    "unavailable",
    `${shown}: more than ${REDIRECTS_MAX} redirects; let storageUri name the last address`,
  );
}

/** Headers that another origin may see. */
function withoutCredentials(headers: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => name.toLowerCase() !== "authorization");
  return Object.fromEntries(kept);
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
  // Plain HTTP may stay plain: it was allowed for this server by name.
  const secure =
    url.protocol === "https:" || (url.protocol === "http:" && start.protocol === "http:");
  if (secure && url.username === "" && url.password === "") return url;
  throw new StorageError(
    "invalid",
    `${shown}: redirects to ${url.protocol}//${url.host}, which is not followed; use https://`,
  );
}
