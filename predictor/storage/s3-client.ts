import { readFile } from "node:fs/promises";

import { AwsV4Signer } from "aws4fetch";

import { readText } from "./http-client.ts";
import type { HttpClient, HttpReply, HttpRequest } from "./http-client.ts";
import { rangeHeaders } from "./ranged.ts";
import type { ByteRange } from "./ranged.ts";
import { TransientError } from "./retry.ts";
import { describeRefusal, parseRefusal } from "./s3-error.ts";
import { awsDomain } from "./s3-settings.ts";
import type { Credentials, S3Keys, S3Settings, WebIdentity } from "./s3-settings.ts";
import { parseListing, readElement } from "./s3-xml.ts";
import type { S3Listing } from "./s3-xml.ts";
import { StorageError } from "./storage-error.ts";

export interface S3Request {
  readonly bucket: string;
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly ifNoneMatch?: string | undefined;
  /** With it, only that state of the object. */
  readonly ifMatch?: string | undefined;
  readonly range?: ByteRange | undefined;
  /** What is being fetched, for messages. */
  readonly shown: string;
}

/**
 * One attempt each: retrying is the caller's. Every rejection is a StorageError or TransientError.
 */
export interface S3Client {
  /** Status 200; 304 with ifNoneMatch; 206, 412 or 416 with a range. */
  get(request: S3Request, signal: AbortSignal): Promise<HttpReply>;
  /** One page of the objects below a prefix. */
  list(page: ListRequest, signal: AbortSignal): Promise<S3Listing>;
}

export interface ListRequest {
  readonly bucket: string;
  readonly prefix: string;
  readonly continuation: string | undefined;
  readonly shown: string;
}

/** A page of 1000 keys of 1024 bytes, every byte written as %XX, fits. */
const LISTING_BYTES_MAX = 8 * 1024 * 1024;
const ERROR_BYTES_MAX = 64 * 1024;

/** A client for one server; web identity is exchanged for keys at the first request. */
export function createS3Client(settings: S3Settings, http: HttpClient): S3Client {
  let keys: S3Keys | undefined;
  let region = settings.region;

  async function send(request: S3Request, signal: AbortSignal): Promise<HttpReply> {
    const { credentials } = settings;
    if (credentials.kind === "keys") keys = credentials;
    if (credentials.kind === "web-identity") keys ??= await assumeRole(credentials, http, signal);
    const url = selectUrl(request, settings.endpoint, region);
    const headers: Record<string, string> = {};
    if (request.ifNoneMatch !== undefined) headers["if-none-match"] = request.ifNoneMatch;
    if (request.range !== undefined) {
      Object.assign(headers, rangeHeaders(request.range, request.ifMatch));
    }
    const signed = keys === undefined ? headers : await sign(url, headers, { keys, region });
    // AWS' own hosts are as good as configured ones: the bucket's name chooses none of others.
    return http.send({ method: "GET", url, headers: signed, trusted: true }, signal);
  }

  async function get(request: S3Request, signal: AbortSignal): Promise<HttpReply> {
    let reply = await send(request, signal);
    const actual = reply.headers["x-amz-bucket-region"];
    if (isWrongRegion(reply.status) && typeof actual === "string" && actual !== region) {
      // AWS names the region that a bucket is in: once told, every request goes there.
      reply.body.destroy();
      region = actual;
      reply = await send(request, signal);
    }
    if (reply.status === 200) return reply;
    if (request.range !== undefined && [206, 412, 416].includes(reply.status)) return reply;
    if (reply.status === 304 && request.ifNoneMatch !== undefined) {
      reply.body.resume();
      return reply;
    }
    const xml = await readText(reply, ERROR_BYTES_MAX);
    throw describeRefusal(parseRefusal(reply, xml), request.shown, settings.credentials);
  }

  async function list(page: ListRequest, signal: AbortSignal): Promise<S3Listing> {
    const { bucket, prefix, continuation, shown } = page;
    const query: Record<string, string> = { "list-type": "2", "encoding-type": "url", prefix };
    if (continuation !== undefined) query["continuation-token"] = continuation;
    const reply = await get({ bucket, query, shown }, signal);
    const listing = parseListing(await readText(reply, LISTING_BYTES_MAX));
    if (listing !== undefined) return listing;
    throw new StorageError(
      "unavailable",
      `${shown}: the server's answer is no ListObjectsV2 result; check AWS_ENDPOINT_URL_S3`,
    );
  }

  return { get, list };
}

function isWrongRegion(status: number): boolean {
  return status === 301 || status === 307 || status === 400;
}

/**
 * The URL of a request: path-style for a server of one's own, which seldom has a name for every
 * bucket; AWS' own style for AWS, unless a dot in the bucket's name would break the certificate.
 */
export function selectUrl(
  { bucket, key = "", query = {} }: S3Request,
  endpoint: URL | undefined,
  region: string,
): URL {
  const host = `s3.${region}.${awsDomain(region)}`;
  const path = key.split("/").map(encodeSegment).join("/");
  let url: URL;
  if (endpoint !== undefined) {
    const base = endpoint.href.endsWith("/") ? endpoint.href : `${endpoint.href}/`;
    url = new URL(`${base}${encodeSegment(bucket)}/${path}`);
  } else if (bucket.includes(".") || !/^[a-z0-9-]{3,63}$/.test(bucket)) {
    url = new URL(`https://${host}/${encodeSegment(bucket)}/${path}`);
  } else {
    url = new URL(`https://${bucket}.${host}/${path}`);
  }
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

/** RFC 3986, as SigV4 wants it: what encodeURIComponent leaves alone besides the unreserved. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

async function sign(
  url: URL,
  headers: Readonly<Record<string, string>>,
  { keys, region }: { readonly keys: S3Keys; readonly region: string },
): Promise<Record<string, string>> {
  const signer = new AwsV4Signer({
    method: "GET",
    url: url.href,
    headers: { ...headers },
    accessKeyId: keys.accessKeyId,
    secretAccessKey: keys.secretAccessKey,
    ...(keys.sessionToken === undefined ? {} : { sessionToken: keys.sessionToken }),
    service: "s3",
    region,
  });
  const signed = await signer.sign();
  return Object.fromEntries(signed.headers.entries());
}

/**
 * Exchanges a token of the cluster for keys: AssumeRoleWithWebIdentity of AWS STS, version
 * 2011-06-15. The request is not signed, the token is what it proves itself with.
 */
async function assumeRole(
  identity: WebIdentity,
  http: HttpClient,
  signal: AbortSignal,
): Promise<S3Keys> {
  const shown = `role ${identity.roleArn}`;
  const form = new URLSearchParams({
    Action: "AssumeRoleWithWebIdentity",
    Version: "2011-06-15",
    RoleArn: identity.roleArn,
    RoleSessionName: identity.sessionName,
    WebIdentityToken: await readToken(identity.tokenFile, shown),
  });
  const request: HttpRequest = {
    method: "POST",
    url: identity.endpoint,
    headers: { "content-type": "application/x-www-form-urlencoded", accept: "text/xml" },
    body: form.toString(),
    trusted: true,
    forCredentials: true,
  };
  const reply = await http.send(request, signal);
  const xml = await readText(reply, ERROR_BYTES_MAX);
  if (reply.status !== 200) {
    const credentials: Credentials = identity;
    throw describeRefusal(parseRefusal(reply, xml), shown, credentials);
  }
  const accessKeyId = readElement(xml, "AccessKeyId");
  const secretAccessKey = readElement(xml, "SecretAccessKey");
  const sessionToken = readElement(xml, "SessionToken");
  if (!accessKeyId || !secretAccessKey) {
    throw new TransientError(`${identity.endpoint.origin} answered without keys`);
  }
  return { kind: "keys", accessKeyId, secretAccessKey, sessionToken, source: shown };
}

async function readToken(path: string, shown: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (cause) {
    throw new StorageError(
      "access-denied",
      `${shown}: AWS_WEB_IDENTITY_TOKEN_FILE can't be read (${String(cause)}); ` +
        "check the service account's annotation and the projected volume",
      { cause },
    );
  }
}
