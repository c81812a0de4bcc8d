import { parseRetryAfterMs } from "./http-client.ts";
import type { HttpReply } from "./http-client.ts";
import { TransientError } from "./retry.ts";
import type { Credentials } from "./s3-settings.ts";
import { readElement } from "./s3-xml.ts";
import { StorageError, printable } from "./storage-error.ts";
import type { StorageErrorCode } from "./storage-error.ts";

/** What a server answered instead of an object. */
export interface S3Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

/** Reads an error document of S3 or STS; a body that is none says nothing but its status. */
export function parseRefusal({ status, headers }: HttpReply, xml: string): S3Refusal {
  return {
    status,
    code: printable(readElement(xml, "Code") ?? "", 64),
    message: printable(readElement(xml, "Message") ?? "", 300),
    retryAfterMs: parseRetryAfterMs(headers["retry-after"]),
  };
}

const TRANSIENT_CODES = new Set(["SlowDown", "RequestTimeout", "RequestTimeoutException"]);

/** The error to throw for a refusal: TransientError if another attempt may succeed. */
export function describeRefusal(
  refusal: S3Refusal,
  shown: string,
  credentials: Credentials,
): StorageError | TransientError {
  const { status, code, message, retryAfterMs } = refusal;
  const said = code === "" ? `HTTP ${status}` : `${code}${message === "" ? "" : `: ${message}`}`;
  if (status >= 500 || status === 429 || status === 408 || TRANSIENT_CODES.has(code)) {
    return new TransientError(`the server answered ${said}`, { retryAfterMs });
  }
  const [kind, words] = classify(status, code);
  return new StorageError(kind, `${shown}: ${words} (${said}); ${remedy(refusal, credentials)}`);
}

function classify(status: number, code: string): readonly [StorageErrorCode, string] {
  if (status === 401 || status === 403 || DENIED_CODES.has(code)) {
    return ["access-denied", "access denied"];
  }
  if (code === "NoSuchBucket") return ["not-found", "no such bucket"];
  if (status === 404) return ["not-found", "no such object"];
  return ["unavailable", "the server refused the request"];
}

/** Refused with another status than 403 though the credentials are what is wrong. */
const DENIED_CODES = new Set([
  "AuthorizationHeaderMalformed",
  "ExpiredToken",
  "ExpiredTokenException",
  // What versitygw says, with status 404, where AWS says InvalidAccessKeyId.
  "XAdminUserNotFound",
  "InvalidIdentityToken",
  "IDPRejectedClaim",
  "InvalidToken",
  "TokenRefreshRequired",
]);

const REMEDIES = new Map([
  ["SignatureDoesNotMatch", "check AWS_SECRET_ACCESS_KEY"],
  ["InvalidAccessKeyId", "check AWS_ACCESS_KEY_ID"],
  ["XAdminUserNotFound", "check AWS_ACCESS_KEY_ID"],
  ["ExpiredToken", "renew AWS_SESSION_TOKEN and its keys"],
  ["InvalidToken", "check AWS_SESSION_TOKEN"],
  ["RequestTimeTooSkewed", "the node's clock is wrong; correct it"],
  ["AuthorizationHeaderMalformed", "set AWS_REGION to the bucket's region"],
  ["PermanentRedirect", "set AWS_REGION to the bucket's region"],
  ["NoSuchBucket", "check the bucket's name and AWS_ENDPOINT_URL_S3"],
  ["NoSuchKey", "check the key; a prefix ends with /"],
]);

function remedy({ status, code }: S3Refusal, credentials: Credentials): string {
  const known = REMEDIES.get(code);
  const source = credentials.kind === "keys" ? credentials.source : undefined;
  if (known !== undefined && source !== undefined && known.includes("_KEY")) {
    return `${known} of ${source}`;
  }
  if (known !== undefined) return known;
  if (status === 404) return "check the bucket, the key and AWS_ENDPOINT_URL_S3";
  if (status !== 401 && status !== 403) return "check AWS_ENDPOINT_URL_S3 and AWS_REGION";
  if (credentials.kind === "anonymous") return "the bucket is not public: give credentials";
  const who = credentials.kind === "web-identity" ? `role ${credentials.roleArn}` : "these keys";
  return `let ${who} s3:GetObject and s3:ListBucket there`;
}
