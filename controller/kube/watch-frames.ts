/**
 * What a list and a watch bring, from unknown JSON to types. Throws DecodeError when the API breaks
 * its promise.
 */
import type { Kind, KubeObject } from "../cluster.ts";
import { ApiError, DecodeError, failureOfStatus } from "./errors.ts";

export interface ListPage {
  readonly items: readonly KubeObject[];
  readonly resourceVersion: string;
  /** Token of the next page; undefined on the last. */
  readonly next: string | undefined;
}

export type WatchFrame =
  | { readonly type: "put" | "gone"; readonly object: KubeObject; readonly resourceVersion: string }
  | { readonly type: "bookmark"; readonly resourceVersion: string };

export function parseListPage(kind: Kind, value: unknown): ListPage {
  if (!isRecord(value) || !Array.isArray(value["items"]) || !isRecord(value["metadata"])) {
    throw new DecodeError(`the list of ${kind.plural} has no items or no metadata`);
  }
  const { resourceVersion, continue: next } = value["metadata"];
  if (typeof resourceVersion !== "string") {
    throw new DecodeError(`the list of ${kind.plural} has no resourceVersion`);
  }
  return {
    items: value["items"].map((item: unknown) => parseObject(kind, item)),
    resourceVersion,
    next: typeof next === "string" && next !== "" ? next : undefined,
  };
}

/** An ERROR frame is thrown as the ApiError that it would have been as an HTTP answer. */
export function parseWatchFrame(kind: Kind, value: unknown): WatchFrame {
  if (!isRecord(value)) throw new DecodeError(`the watch of ${kind.plural} sent no object`);
  const { type, object } = value;
  switch (type) {
    case "ADDED":
    case "MODIFIED":
      return { type: "put", ...versioned(kind, object) };
    case "DELETED":
      return { type: "gone", ...versioned(kind, object) };
    case "BOOKMARK":
      return { type: "bookmark", resourceVersion: bookmarkVersion(kind, object) };
    case "ERROR":
      throw new ApiError(`WATCH ${kind.plural}`, failureOfStatus(object));
    default:
      throw new DecodeError(`the watch of ${kind.plural} sent a frame of type ${String(type)}`);
  }
}

function versioned(kind: Kind, value: unknown): { object: KubeObject; resourceVersion: string } {
  const object = parseObject(kind, value);
  return { object, resourceVersion: object.metadata.resourceVersion ?? "" };
}

function bookmarkVersion(kind: Kind, value: unknown): string {
  const metadata = isRecord(value) ? value["metadata"] : undefined;
  const version = isRecord(metadata) ? metadata["resourceVersion"] : undefined;
  if (typeof version !== "string") {
    throw new DecodeError(`a bookmark of ${kind.plural} has no resourceVersion`);
  }
  return version;
}

/** Items of built-in kinds come without apiVersion and kind inside a list: they are put back. */
function parseObject(kind: Kind, value: unknown): KubeObject {
  if (isRecord(value)) {
    const { metadata } = value;
    if (
      isRecord(metadata) &&
      ["name", "uid", "resourceVersion"].every((field) => text(metadata[field]))
    ) {
      return {
        ...value,
        apiVersion: kind.apiVersion,
        kind: kind.kind,
        metadata,
      } as unknown as KubeObject;
    }
  }
  throw new DecodeError(`an object among ${kind.plural} lacks a name, uid or resourceVersion`);
}

function text(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
