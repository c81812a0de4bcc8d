/**
 * Memory of large buffers, given back when they have done their work. The garbage collector counts
 * it as a reason to collect: pictures as bytes kept it busy for as long as a third of their
 * inference takes, although next to nothing lay in the heap itself.
 */

/** Below this a collection is far off; and small Buffers share memory with others. */
const worthwhileBytes = 32_768;

/**
 * Frees the memory under `bytes` at once; they are empty afterwards, and so is every other view of
 * it. Only for who knows that nobody reads it any more, native code included. What is small, or a
 * part of something larger, is left to the garbage collector.
 */
export function giveBack(bytes: Uint8Array<ArrayBuffer>): void {
  const { buffer, byteLength } = bytes;
  if (byteLength < worthwhileBytes || byteLength !== buffer.byteLength) return;
  buffer.transfer(0);
}
