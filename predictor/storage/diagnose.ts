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
  if (text.startsWith("PK\u0003\u0004")) {
    return "is a zip archive; upload the .onnx file itself, or a .tar.gz of its folder";
  }
  if (isGzip(head)) return "is compressed; only .tar.gz archives of a folder are unpacked";
  return undefined;
}

/** Whether bytes begin like gzip does. */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}
