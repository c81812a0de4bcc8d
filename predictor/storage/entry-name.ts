const NAME_LENGTH_MAX = 1024;
const SEGMENT_BYTES_MAX = 255;
const DEPTH_MAX = 32;

/**
 * The segments of an entry's name; undefined if it is absolute, climbs, or is longer or deeper than
 * any model needs. A backslash is a separator to some tools, a letter to others: it is refused.
 */
export function parseEntryName(name: string): string[] | undefined {
  if (name.length > NAME_LENGTH_MAX || /[\\\p{Cc}]/u.test(name)) return undefined;
  if (name.startsWith("/")) return undefined;
  const segments = name.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.length > DEPTH_MAX || segments.includes("..")) return undefined;
  const tooLong = segments.some((segment) => Buffer.byteLength(segment) > SEGMENT_BYTES_MAX);
  return tooLong ? undefined : segments;
}
