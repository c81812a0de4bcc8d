/**
 * Tokens for Google Cloud Storage: of a service account's key (a signed JWT is exchanged for one),
 * of the metadata server (workload identity, a node's own account), or none. Source: RFC 7523;
 * https://developers.google.com/identity/protocols/oauth2/service-account
 */
import { createSign } from "node:crypto";
import { readFile } from "node:fs/promises";

import type { HttpClient, HttpReply } from "./http-client.ts";
import { fieldsOf, readJson, textOf } from "./json.ts";
import { refusalOf } from "./refusal.ts";
import type { Variables } from "./s3-settings.ts";
import { StorageError } from "./storage-error.ts";

export type GsCredentials =
  | { readonly kind: "key"; readonly email: string; readonly key: string; readonly tokenUri: URL }
  | { readonly kind: "metadata"; readonly endpoint: URL }
  | { readonly kind: "anonymous" };

const SCOPE = "https://www.googleapis.com/auth/devstorage.read_only";
const TOKEN_SECONDS = 3600;
const METADATA = "http://metadata.google.internal/";

/**
 * The credentials to use: none when GS_ANONYMOUS is true or an emulator is configured, else the key
 * file of GOOGLE_APPLICATION_CREDENTIALS, else the metadata server. Throws StorageError.
 */
export async function selectGsCredentials(variables: Variables): Promise<GsCredentials> {
  const file = variables["GOOGLE_APPLICATION_CREDENTIALS"];
  if (variables["GS_ANONYMOUS"] === "true") return { kind: "anonymous" };
  if (file !== undefined) return parseKey(await readKey(file), file);
  if (variables["STORAGE_EMULATOR_HOST"] !== undefined) return { kind: "anonymous" };
  const host = variables["GCE_METADATA_HOST"];
  return { kind: "metadata", endpoint: new URL(host === undefined ? METADATA : `http://${host}/`) };
}

async function readKey(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new StorageError(
      "access-denied",
      `GOOGLE_APPLICATION_CREDENTIALS ${file}: can't be read (${String(cause)}); mount the Secret there`,
      { cause },
    );
  }
}

function parseKey(text: string, file: string): GsCredentials {
  let fields;
  try {
    fields = fieldsOf(JSON.parse(text));
  } catch {
    fields = fieldsOf(undefined);
  }
  const email = textOf(fields["client_email"]);
  const key = textOf(fields["private_key"]);
  const tokenUri = textOf(fields["token_uri"]) ?? "https://oauth2.googleapis.com/token";
  if (fields["type"] === "service_account" && email && key && URL.canParse(tokenUri)) {
    return { kind: "key", email, key, tokenUri: new URL(tokenUri) };
  }
  throw new StorageError(
    "access-denied",
    `GOOGLE_APPLICATION_CREDENTIALS ${file}: is no key of a service account (type, client_email, ` +
      "private_key); create one, or leave it out for workload identity",
  );
}

/** A token for reading, or undefined when none is to be sent. Rejects with StorageError. */
export async function fetchGsToken(
  credentials: GsCredentials,
  http: HttpClient,
  { shown, signal, nowMs }: { readonly shown: string; readonly signal: AbortSignal; nowMs: number },
): Promise<string | undefined> {
  if (credentials.kind === "anonymous") return undefined;
  const reply =
    credentials.kind === "metadata"
      ? await askMetadata(credentials.endpoint, http, { shown, signal })
      : await exchange(credentials, http, signal, nowMs);
  const said = (body: string): string => body.slice(0, 200);
  if (reply.status !== 200) {
    const remedy =
      credentials.kind === "metadata"
        ? "give the pod a service account with workload identity, or set GS_ANONYMOUS=true"
        : "check the key of GOOGLE_APPLICATION_CREDENTIALS and whether it was revoked";
    // 400 invalid_grant is how a revoked key is refused.
    const denied = reply.status === 400 ? { ...reply, status: 401 } : reply;
    throw await refusalOf(denied, shown, { denied: remedy, missing: remedy }, said);
  }
  const token = textOf(fieldsOf(await readJson(reply, shown))["access_token"]);
  if (token !== undefined) return token;
  throw new StorageError("access-denied", `${shown}: the answer for a token holds none`);
}

async function askMetadata(
  endpoint: URL,
  http: HttpClient,
  { shown, signal }: { readonly shown: string; readonly signal: AbortSignal },
): Promise<HttpReply> {
  const path = "computeMetadata/v1/instance/service-accounts/default/token";
  const url = new URL(`${path}?scopes=${encodeURIComponent(SCOPE)}`, endpoint);
  const headers = { "metadata-flavor": "Google" };
  try {
    const request = { method: "GET", url, headers, trusted: true, forCredentials: true } as const;
    return await http.send(request, signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw new StorageError(
      "access-denied",
      `${shown}: no credentials: GOOGLE_APPLICATION_CREDENTIALS is not set and there is no metadata ` +
        "server here; mount a key, use workload identity, or GS_ANONYMOUS=true for a public bucket",
      { cause },
    );
  }
}

async function exchange(
  { email, key, tokenUri }: Extract<GsCredentials, { kind: "key" }>,
  http: HttpClient,
  signal: AbortSignal,
  nowMs: number,
): Promise<HttpReply> {
  const seconds = Math.floor(nowMs / 1000);
  const times = { iat: seconds, exp: seconds + TOKEN_SECONDS };
  const claims = { iss: email, scope: SCOPE, aud: tokenUri.href, ...times };
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
  const unsigned = `${encode({ alg: "RS256", typ: "JWT" })}.${encode(claims)}`;
  const form = new URLSearchParams({
    grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
    assertion: `${unsigned}.${signJwt(unsigned, key)}`,
  });
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const request = { method: "POST", url: tokenUri, headers, body: form.toString() } as const;
  return http.send({ ...request, trusted: true, forCredentials: true }, signal);
}

function signJwt(unsigned: string, key: string): string {
  try {
    return createSign("RSA-SHA256").update(unsigned).sign(key, "base64url");
  } catch (cause) {
    throw new StorageError(
      "access-denied",
      "GOOGLE_APPLICATION_CREDENTIALS: its private_key is no PEM key; create a new one",
      { cause },
    );
  }
}
