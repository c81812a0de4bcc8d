/**
 * The native half of an onnxruntime-node session. The public run() waits for the next turn of the
 * event loop and checks names that were checked already: for a small model that is as long as the
 * run itself. onnxruntime-node has no public way around; its version is pinned, and where this
 * finds nothing the public one is used.
 */
import type { Tensor } from "onnxruntime-node";

export type NativeRun = (
  feeds: Readonly<Record<string, Tensor>>,
  /** null for an output to be allocated. */
  fetches: Readonly<Record<string, null>>,
  options: object,
) => Readonly<Record<string, Tensor>>;

type NativeSession = { readonly run: NativeRun };
type Inner = { readonly binding?: Binding; readonly default?: { readonly binding?: Binding } };
type Binding = { InferenceSession: new () => NativeSession };

/** onnxruntime-node's native library, or nothing when it isn't where it is in version 1.30. */
export async function importBinding(): Promise<Binding | undefined> {
  try {
    const inner = (await import("onnxruntime-node/dist/binding.js")) as unknown as Inner;
    const binding = inner.binding ?? inner.default?.binding;
    return typeof binding?.InferenceSession === "function" ? binding : undefined;
  } catch {
    return undefined;
  }
}

/** Creates a session, and finds the native one in it. One at a time. */
export async function withNative<T>(
  binding: Binding | undefined,
  create: () => Promise<T>,
): Promise<{ readonly created: T; readonly native: NativeSession | undefined }> {
  if (binding === undefined) return { created: await create(), native: undefined };
  const Original = binding.InferenceSession;
  const made: NativeSession[] = [];
  // Called with `new`, a function that returns an object gives that object.
  binding.InferenceSession = function create() {
    const native = new Original();
    made.push(native);
    return native;
  } as unknown as Binding["InferenceSession"];
  try {
    const created = await create();
    return { created, native: made.find((each) => typeof each.run === "function") };
  } finally {
    binding.InferenceSession = Original;
  }
}
