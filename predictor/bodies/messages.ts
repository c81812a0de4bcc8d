/** What the HTTP process and the thread that does large bodies say to each other. */
import type { ServingErrorCode } from "../errors.ts";
import type { Given, Kind, Made } from "./work.ts";

/** One piece of work at a time. */
export type ToBodies = {
  readonly [K in Kind]: { readonly kind: K; readonly given: Given[K] };
}[Kind];

export type FromBodies =
  | { readonly type: "made"; readonly made: Made[Kind] }
  | {
      readonly type: "failed";
      readonly code: ServingErrorCode;
      readonly message: string;
      /** For the log alone. */
      readonly cause?: string;
    };
