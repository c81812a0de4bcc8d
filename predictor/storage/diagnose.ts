/**
 * What a file is when it is no model, as a sentence with its remedy; undefined when it may be one.
 * Only what people really put there by mistake: onnxruntime judges the rest.
 */
export function diagnose(head: Uint8Array, bytes: number): string | undefined {
  if (bytes === 0) return "the file is empty; upload the model again";
  const text = Buffer.from(head).toString("latin1").trimStart();
  if (text.startsWith("version https://git-lfs.github.com/spec/")) {
    return "is a Git LFS pointer, not the model; run `git lfs pull` before uploading it";
  }
  if (/^<(!doctype html|html|head|body)\b/i.test(text)) {
    return "is an HTML page, not a model; is it a download page, or does it ask for a login?";
  }
  if (text.startsWith("<?xml")) return "is an XML document, not a model; check the address";
  if (archiveKind(head) !== undefined) {
    return "is an archive, not a model; unpack it there, or let storageUri name the archive itself";
  }
  return undefined;
}

/** The archives that are unpacked, by their first bytes; undefined for anything else. */
export function archiveKind(head: Uint8Array): "zip" | "none" | "gzip" | "zstd" | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  const text = Buffer.from(head).toString("latin1");
  if (text.startsWith("\x28\xb5\x2f\xfd")) return "zstd";
  if (text.startsWith("PK\u0003\u0004") || text.startsWith("PK\u0005\u0006")) return "zip";
  return text.slice(257, 262) === "ustar" ? "none" : undefined;
}
