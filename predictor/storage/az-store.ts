/**
 * A container of Azure Blob Storage as object store.
 * Source: https://learn.microsoft.com/rest/api/storageservices (version 2021-12-02)
 */
import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";

import type { AzCredentials, AzSettings } from "./az-settings.ts";
import { readText } from "./http-client.ts";
import type { HttpClient, HttpReply } from "./http-client.ts";
import { parseContentMd5 } from "./https-origin.ts";
import { fieldsOf, readJson, textOf } from "./json.ts";
import type { ObjectStore, StoredObject } from "./object-store.ts";
import { rangeHeaders } from "./ranged.ts";
import { refusalOf } from "./refusal.ts";
import { readElement, readElements } from "./s3-xml.ts";
import { StorageError } from "./storage-error.ts";

const VERSION = "2021-12-02";
const LISTING_BYTES_MAX = 16 * 1024 * 1024;
const SCOPE = "https://storage.azure.com/.default";
const TOKEN_RENEWAL_MS = 30 * 60_000;

export function azStore(container: string, settings: AzSettings, http: HttpClient): ObjectStore {
  const { endpoint, credentials } = settings;
  const base = new URL(encodeURIComponent(container), endpoint);
  const bearer = createBearer(credentials, http);

  async function send(
    url: URL,
    { shown, signal, extra = {} }: Sending,
    accepted: readonly number[],
  ): Promise<HttpReply> {
    const headers: Record<string, string> = {
      ...extra,
      "x-ms-version": VERSION,
      "x-ms-date": new Date().toUTCString(),
    };
    if (credentials.kind === "key") headers["authorization"] = signature(url, headers, credentials);
    if (credentials.kind === "identity") {
      headers["authorization"] = `Bearer ${await bearer(shown, signal)}`;
    }
    if (credentials.kind === "sas") {
      for (const [name, value] of new URLSearchParams(credentials.query)) {
        url.searchParams.set(name, value);
      }
    }
    const reply = await http.send({ method: "GET", url, headers, trusted: true }, signal);
    if (accepted.includes(reply.status)) return reply;
    const anonymous = credentials.kind === "anonymous";
    const denied = anonymous
      ? "the container is not public: give credentials (AZURE_STORAGE_KEY and others)"
      : "check the credentials, and let them read and list blobs there";
    // To the nameless, Azure says of what is private that it isn't there.
    const missing = anonymous ? `check the path; if it is private, ${denied}` : "check the path";
    throw await refusalOf(reply, shown, { denied, missing }, wordsIn);
  }

  return {
    list: async ({ prefix, continuation, shown }, signal) => {
      const url = new URL(base);
      const query = { restype: "container", comp: "list", prefix };
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
      if (continuation !== undefined) url.searchParams.set("marker", continuation);
      const xml = await readText(await send(url, { shown, signal }, [200]), LISTING_BYTES_MAX);
      if (!xml.includes("<EnumerationResults")) {
        throw new StorageError(
          "unavailable",
          `${shown}: the server's answer lists no blobs; check AZURE_STORAGE_BLOB_ENDPOINT`,
        );
      }
      const objects = readElements(xml, "Blob").map(parseBlob);
      return { objects, continuation: readElement(xml, "NextMarker") || undefined };
    },
    get: async ({ key, range, ifMatch, ifNoneMatch, shown }, signal) => {
      const path = key.split("/").map(encodeURIComponent).join("/");
      const extra: Record<string, string> = range === undefined ? {} : rangeHeaders(range, ifMatch);
      if (ifNoneMatch !== undefined) extra["if-none-match"] = ifNoneMatch;
      const accepted = range === undefined ? [200] : [206, 412, 416];
      if (ifNoneMatch !== undefined) accepted.push(304);
      const url = new URL(`${base.href}/${path}`);
      const reply = await send(url, { shown, signal, extra }, accepted);
      if (reply.status === 304) reply.body.resume();
      return reply;
    },
    digestOf: ({ headers }) => parseContentMd5(headers["content-md5"]),
    uriOf: (key) => `az://${container}/${key}`,
  };
}

type Sending = {
  readonly shown: string;
  readonly signal: AbortSignal;
  readonly extra?: Record<string, string>;
};

function parseBlob(xml: string): StoredObject {
  const md5 = readElement(xml, "Content-MD5");
  return {
    key: readElement(xml, "Name") ?? "",
    bytes: Number(readElement(xml, "Content-Length") ?? 0),
    tag: readElement(xml, "Etag") ?? "",
    digest: parseContentMd5(md5),
  };
}

/** SharedKey: every header and parameter that the request has, in the order that Azure wants. */
function signature(
  url: URL,
  headers: Readonly<Record<string, string>>,
  { account, key }: Extract<AzCredentials, { kind: "key" }>,
): string {
  const own = Object.entries(headers)
    .filter(([name]) => name.startsWith("x-ms-"))
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => `${name}:${value}\n`);
  const parameters = [...url.searchParams]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => `\n${name.toLowerCase()}:${value}`);
  const standard = [
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
  ];
  const lines = [
    "GET",
    ...Array<string>(6).fill(""), // Content-* and Date: x-ms-date stands for it.
    ...standard.map((name) => headers[name] ?? ""),
    `${own.join("")}/${account}${url.pathname}${parameters.join("")}`,
  ];
  const digest = createHmac("sha256", key).update(lines.join("\n")).digest("base64");
  return `SharedKey ${account}:${digest}`;
}

/** Tokens of Entra ID: for a token of the cluster (workload identity), or for a secret. */
function createBearer(credentials: AzCredentials, http: HttpClient) {
  let token: { readonly value: string; readonly untilMs: number } | undefined;
  return async (shown: string, signal: AbortSignal): Promise<string> => {
    if (credentials.kind !== "identity") throw new Error("no identity is configured");
    if (token !== undefined && token.untilMs > Date.now()) return token.value;
    const { tokenUrl: url, clientId, tokenFile, clientSecret = "" } = credentials;
    const form = new URLSearchParams({
      client_id: clientId,
      scope: SCOPE,
      grant_type: "client_credentials",
    });
    if (tokenFile === undefined) form.set("client_secret", clientSecret);
    else {
      const type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
      form.set("client_assertion_type", type);
      form.set("client_assertion", (await readFile(tokenFile, "utf8")).trim());
    }
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const request = { method: "POST", url, headers, body: form.toString() } as const;
    const reply = await http.send({ ...request, trusted: true, forCredentials: true }, signal);
    if (reply.status !== 200) {
      const remedy = "check AZURE_CLIENT_ID, AZURE_TENANT_ID and the federated credential";
      const denied = reply.status === 400 ? { ...reply, status: 401 } : reply;
      throw await refusalOf(denied, shown, { denied: remedy, missing: remedy }, (body) => body);
    }
    const value = textOf(fieldsOf(await readJson(reply, shown))["access_token"]);
    if (value === undefined) {
      throw new StorageError("access-denied", `${shown}: the answer for a token holds none`);
    }
    token = { value, untilMs: Date.now() + TOKEN_RENEWAL_MS };
    return value;
  };
}

function wordsIn(xml: string): string | undefined {
  const code = readElement(xml, "Code");
  const message = readElement(xml, "Message")?.split("\n")[0];
  return code === undefined ? undefined : `${code}: ${message ?? ""}`;
}
