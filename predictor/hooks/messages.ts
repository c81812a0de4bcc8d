/** What the HTTP process and the thread of the handler say to each other. */
import type { ServingErrorCode } from "../errors.ts";
import type { Bytes } from "../protocol/tensor.ts";
import type { LoadAnswer } from "../threads/supervised.ts";
import type { HookRequest } from "./types.ts";

export type HookName = "preprocess" | "postprocess" | "afterResponse";

export type RequestHead = Omit<HookRequest, "body">;

/** A body on its way: the thread does what of it is JSON. */
export type BodyOf = { readonly bytes: Bytes; readonly contentType?: string };

export type ToHooks =
  | {
      readonly type: "load";
      readonly path: string;
      readonly model: { readonly name: string; readonly version: string; readonly folder: string };
    }
  | ({ readonly type: "preprocess"; readonly id: number; readonly head: RequestHead } & BodyOf)
  | ({ readonly type: "postprocess"; readonly id: number; readonly status: number } & BodyOf)
  | ({
      readonly type: "afterResponse";
      readonly id: number;
      readonly status: number;
      readonly durationMs: number;
    } & BodyOf)
  /** The client has left, or the time is up. */
  | { readonly type: "abort"; readonly id: number }
  /** There is nothing more to do for the request. */
  | { readonly type: "forget"; readonly id: number };

export type FromHooks =
  | LoadAnswer
  /** Which hooks the handler has, before "loaded". */
  | { readonly type: "hooks"; readonly names: readonly HookName[] }
  /** Without bytes, the body stays what it was. */
  | {
      readonly type: "done";
      readonly id: number;
      readonly hook: HookName;
      readonly replaced?: BodyOf & { readonly json: boolean };
    }
  | {
      readonly type: "failed";
      readonly id: number;
      readonly hook: HookName;
      readonly code: ServingErrorCode;
      readonly message: string;
      /** For the log alone. */
      readonly cause?: string;
    }
  | { readonly type: "aborted"; readonly id: number }
  | { readonly type: "log"; readonly message: string };
