/** What the object stores have in common, so that one origin fetches from all of them. */
import type { HttpReply } from "./http-client.ts";
import type { ByteRange, Digest } from "./ranged.ts";

/** An object of a listing. */
export interface StoredObject {
  /** Of the whole bucket, container or repository. */
  readonly key: string;
  readonly bytes: number;
  /** Another one means another content. */
  readonly tag: string;
  readonly digest?: Digest | undefined;
  /** Like the tag, but the same for the same content; the tag, where absent. */
  readonly contents?: string | undefined;
}

export interface ObjectPage {
  readonly objects: readonly StoredObject[];
  /** Set when there is more. */
  readonly continuation: string | undefined;
}

export interface ObjectRequest {
  readonly key: string;
  /** A tag; a store that can't compare answers 200. */
  readonly ifNoneMatch?: string | undefined;
  readonly range?: ByteRange | undefined;
  /** The reply's own entity tag, of the state that a range belongs to. */
  readonly ifMatch?: string | undefined;
  /** What is being fetched, for messages. */
  readonly shown: string;
}

/** One attempt each. Every rejection is a StorageError or TransientError. */
export interface ObjectStore {
  /** One page of the objects whose keys begin like this. */
  list(
    page: { readonly prefix: string; readonly continuation: string | undefined; shown: string },
    signal: AbortSignal,
  ): Promise<ObjectPage>;
  /** Status 200; 304 with ifNoneMatch; 206, 412 or 416 with a range. */
  get(request: ObjectRequest, signal: AbortSignal): Promise<HttpReply>;
  /** What a reply promises about the whole object. */
  digestOf(reply: HttpReply): Digest | undefined;
  /** The state of one object, for stores whose replies don't compare or tell it. */
  stat?(key: string, shown: string, signal: AbortSignal): Promise<StoredObject>;
  /** An object's URI, for messages. */
  uriOf(key: string): string;
}
