import { createObjectOrigin } from "./object-origin.ts";
import type { ObjectContext } from "./object-origin.ts";
import type { HttpReply } from "./http-client.ts";
import type { ObjectStore } from "./object-store.ts";
import type { Fetch } from "./origin.ts";
import type { Digest } from "./ranged.ts";
import type { S3Client } from "./s3-client.ts";

export interface S3Location {
  readonly bucket: string;
  readonly key: string;
}

/** Fetches an object or a prefix of a bucket. */
export function createS3Origin(
  { bucket, key }: S3Location,
  client: S3Client,
  context: ObjectContext,
): Fetch {
  return createObjectOrigin(key, s3Store(bucket, client), context);
}

/** A bucket as object store. */
export function s3Store(bucket: string, client: S3Client): ObjectStore {
  return {
    list: async ({ prefix, continuation, shown }, signal) => {
      const page = await client.list({ bucket, prefix, continuation, shown }, signal);
      const objects = page.objects.map(({ key, bytes, etag, lastModified }) => ({
        key,
        bytes,
        tag: `${etag}\n${lastModified}`,
        contents: etag,
      }));
      return { objects, continuation: page.continuation };
    },
    get: (request, signal) => client.get({ bucket, ...request }, signal),
    digestOf: selectMd5,
    uriOf: (key) => `s3://${bucket}/${key}`,
  };
}

/**
 * The MD5 of an object, if its ETag is one: that of a single upload is, unless it was encrypted
 * with a key of KMS or of the customer; that of a multipart upload ends in a dash and the parts'
 * number.
 */
function selectMd5({ headers }: HttpReply): Digest | undefined {
  if (String(headers["x-amz-server-side-encryption"] ?? "").startsWith("aws:kms")) return undefined;
  if (headers["x-amz-server-side-encryption-customer-algorithm"] !== undefined) return undefined;
  const hex = /^"([0-9a-f]{32})"$/.exec(headers.etag ?? "")?.[1];
  return hex === undefined ? undefined : { algorithm: "md5", hex };
}
