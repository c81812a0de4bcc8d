/**
 * The few elements that S3 and STS answer with. Their XML is flat and has no attributes on what is
 * read here, so that an element is found by its name; no entity but the five of XML is known.
 */

/** Text of the first element of that name, entities decoded. */
export function readElement(xml: string, name: string): string | undefined {
  const match = new RegExp(`<${name}(?:\\s[^<>]*)?>([^<]*)</${name}>`).exec(xml);
  return match === null ? undefined : decodeEntities(match[1] ?? "");
}

/** The inner XML of each element of that name. */
export function readElements(xml: string, name: string): string[] {
  const pattern = new RegExp(`<${name}(?:\\s[^<>]*)?>(.*?)</${name}>`, "gs");
  return [...xml.matchAll(pattern)].map((match) => match[1] ?? "");
}

const ENTITIES = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
]);

function decodeEntities(text: string): string {
  return text.replaceAll(/&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|([a-z]{2,4}));/g, decodeEntity);
}

function decodeEntity(whole: string, hex?: string, decimal?: string, name?: string): string {
  if (name !== undefined) return ENTITIES.get(name) ?? whole;
  const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
  return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
}

export interface S3Object {
  readonly key: string;
  readonly bytes: number;
  /** Empty on servers that don't know; then the date has to tell a change. */
  readonly etag: string;
  readonly lastModified: string;
}

export interface S3Listing {
  readonly objects: readonly S3Object[];
  /** Set when there is more. */
  readonly continuation: string | undefined;
}

/** Reads a page of ListObjectsV2 with encoding-type=url; undefined if it is none. */
export function parseListing(xml: string): S3Listing | undefined {
  if (!xml.includes("<ListBucketResult")) return undefined;
  const encoded = readElement(xml, "EncodingType") === "url";
  const objects: S3Object[] = [];
  for (const content of readElements(xml, "Contents")) {
    const key = readElement(content, "Key");
    const bytes = Number(readElement(content, "Size"));
    if (key === undefined || !Number.isSafeInteger(bytes) || bytes < 0) return undefined;
    const decoded = encoded ? decodeKey(key) : key;
    const etag = readElement(content, "ETag") ?? "";
    const lastModified = readElement(content, "LastModified") ?? "";
    objects.push({ key: decoded, bytes, etag, lastModified });
  }
  if (readElement(xml, "IsTruncated") !== "true") return { objects, continuation: undefined };
  const continuation = readElement(xml, "NextContinuationToken");
  return continuation === undefined ? undefined : { objects, continuation };
}

function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll("+", " "));
  } catch {
    // A server that says encoding-type=url and does not encode.
    return key;
  }
}
