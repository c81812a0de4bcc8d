/** A bucket of Google Cloud Storage as object store, through its JSON API. */
import { fetchGsToken } from "./gs-credentials.ts";
import type { GsCredentials } from "./gs-credentials.ts";
import type { HttpClient, HttpReply } from "./http-client.ts";
import { fieldsOf, listOf, readJson, textOf } from "./json.ts";
import type { ObjectStore, StoredObject } from "./object-store.ts";
import { rangeHeaders } from "./ranged.ts";
import { refusalOf } from "./refusal.ts";
import { StorageError } from "./storage-error.ts";

export interface GsSettings {
  readonly endpoint: URL;
  readonly credentials: GsCredentials;
}

const FIELDS = "name,size,generation,md5Hash";
const TOKEN_RENEWAL_MS = 50 * 60_000;

/** STORAGE_EMULATOR_HOST of Google's own libraries: `host:port` or a URL. Throws StorageError. */
export function parseGsEndpoint(text: string | undefined, shown: string): URL {
  if (text === undefined) return new URL("https://storage.googleapis.com/");
  const url = text.includes("://") ? text : `http://${text}`;
  if (URL.canParse(url)) return new URL(url.endsWith("/") ? url : `${url}/`);
  throw new StorageError("misconfigured", `${shown}: STORAGE_EMULATOR_HOST is no host or URL`);
}

export function gsStore(bucket: string, settings: GsSettings, http: HttpClient): ObjectStore {
  const base = new URL(`storage/v1/b/${encodeURIComponent(bucket)}/o`, settings.endpoint);
  let token: { readonly value: string | undefined; readonly untilMs: number } | undefined;

  async function send(
    url: URL,
    { shown, signal, extra = {} }: { shown: string; signal: AbortSignal; extra?: object },
  ): Promise<HttpReply> {
    if (token === undefined || token.untilMs < Date.now()) {
      const how = { shown, signal, nowMs: Date.now() };
      const value = await fetchGsToken(settings.credentials, http, how);
      token = { value, untilMs: Date.now() + TOKEN_RENEWAL_MS };
    }
    const headers: Record<string, string> = { "accept-encoding": "identity", ...extra };
    if (token.value !== undefined) headers["authorization"] = `Bearer ${token.value}`;
    const reply = await http.send({ method: "GET", url, headers, trusted: true }, signal);
    if ([200, 206, 412, 416].includes(reply.status)) return reply;
    throw await refusalOf(reply, shown, remediesOf(settings.credentials), messageIn);
  }

  return {
    list: async ({ prefix, continuation, shown }, signal) => {
      const url = new URL(base);
      url.searchParams.set("prefix", prefix);
      url.searchParams.set("fields", `items(${FIELDS}),nextPageToken`);
      if (continuation !== undefined) url.searchParams.set("pageToken", continuation);
      const page = fieldsOf(await readJson(await send(url, { shown, signal }), shown));
      const objects = listOf(page["items"]).map((item) => parseObject(item, shown));
      return { objects, continuation: textOf(page["nextPageToken"]) || undefined };
    },
    stat: async (key, shown, signal) => {
      const url = new URL(`${base.href}/${encodeURIComponent(key)}?fields=${FIELDS}`);
      return parseObject(await readJson(await send(url, { shown, signal }), shown), shown);
    },
    get: async ({ key, range, ifMatch, shown }, signal) => {
      const url = new URL(`${base.href}/${encodeURIComponent(key)}?alt=media`);
      const generation = ifMatch?.replaceAll('"', "");
      if (generation !== undefined) url.searchParams.set("generation", generation);
      const extra = range === undefined ? {} : rangeHeaders(range);
      const reply = await send(url, { shown, signal, extra });
      return withGeneration(reply);
    },
    digestOf: ({ headers }) => {
      const md5 = /md5=([A-Za-z0-9+/=]+)/.exec(String(headers["x-goog-hash"] ?? ""))?.[1];
      return md5 === undefined ? undefined : md5Digest(md5);
    },
    uriOf: (key) => `gs://${bucket}/${key}`,
  };
}

/** The generation is what a range can be asked of; entity tags are the metadata's here. */
function withGeneration(reply: HttpReply): HttpReply {
  const generation = textOf(reply.headers["x-goog-generation"]);
  if (generation === undefined) return { ...reply, headers: { ...reply.headers, etag: undefined } };
  // What was compressed in the bucket arrives unpacked: its ranges would be those of other bytes.
  const whole = reply.headers["x-goog-stored-content-encoding"] ?? "identity";
  const ranges = whole === "identity" ? "bytes" : "none";
  const headers = { ...reply.headers, etag: `"${generation}"`, "accept-ranges": ranges };
  return { ...reply, headers };
}

function parseObject(item: unknown, shown: string): StoredObject {
  const fields = fieldsOf(item);
  const key = textOf(fields["name"]);
  const bytes = Number(fields["size"]);
  if (key === undefined || !Number.isSafeInteger(bytes)) {
    throw new StorageError(
      "unavailable",
      `${shown}: the server's answer lists no objects; check STORAGE_EMULATOR_HOST`,
    );
  }
  const md5 = textOf(fields["md5Hash"]);
  const tag = textOf(fields["generation"]) ?? "";
  return { key, bytes, tag, digest: md5 === undefined ? undefined : md5Digest(md5) };
}

function md5Digest(base64: string) {
  return { algorithm: "md5", hex: Buffer.from(base64, "base64").toString("hex") } as const;
}

function remediesOf(credentials: GsCredentials): { denied: string; missing: string } {
  const denied =
    credentials.kind === "anonymous"
      ? "the bucket is not public: give credentials"
      : `let ${credentials.kind === "key" ? credentials.email : "the pod's account"} read it (Storage Object Viewer)`;
  return { denied, missing: "check the bucket and the path" };
}

/** `{"error": {"message": …}}` of the JSON API, or the plain text of a media request. */
function messageIn(body: string): string | undefined {
  try {
    return textOf(fieldsOf(fieldsOf(JSON.parse(body))["error"])["message"]);
  } catch {
    return body.startsWith("<") ? undefined : body;
  }
}
