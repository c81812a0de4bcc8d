import type { HttpClient } from "./http-client.ts";
import type { RetryNotice, RetryPolicy } from "./retry.ts";

/** What an origin needs to fetch; `shown` is the storage URI as messages name it. */
export interface FetchContext {
  readonly http: HttpClient;
  readonly signal: AbortSignal;
  readonly shown: string;
  readonly bytesMax: number;
  readonly policy: RetryPolicy;
  readonly onRetry?: ((notice: RetryNotice) => void) | undefined;
  /**
   * Name of a single file that is no archive, which then may be of any kind. Without it, such a
   * file is model.onnx, and must not look like something else.
   */
  readonly fileName?: string | undefined;
}

/**
 * What came of fetching: the files lie in the folder, or what `known` names is still the same. A
 * validator names a state of the source (an ETag, say); without one, nothing can be reused.
 */
export type Fetched =
  | { readonly kind: "unchanged" }
  | {
      readonly kind: "fetched";
      readonly validator: string | undefined;
      /** See contents.ts; without one, nobody knows. */
      readonly digest: string | undefined;
    };

/** Puts a model's files into an empty folder. Rejects with StorageError or the signal's reason. */
export type Fetch = (into: string, known: string | undefined) => Promise<Fetched>;
