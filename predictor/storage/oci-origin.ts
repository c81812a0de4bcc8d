/**
 * Artefacts of an OCI registry: layers that are files (ORAS, ModelPack), archives of files, or a
 * container image with models in /models (KServe's modelcars).
 * Source: https://github.com/opencontainers/distribution-spec (1.1)
 */
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";

import { unpack } from "./archive.ts";
import { archiveKind } from "./diagnose.ts";
import { parseEntryName } from "./entry-name.ts";
import { readText } from "./http-client.ts";
import type { HttpReply, HttpRequest } from "./http-client.ts";
import { authorize } from "./oci-auth.ts";
import { parseManifest, selectManifest } from "./oci-manifest.ts";
import type { OciLayer, OciManifest } from "./oci-manifest.ts";
import type { Fetch, FetchContext } from "./origin.ts";
import { clearFolder, peek } from "./place.ts";
import { rangeHeaders, resuming, saveInParts, verified } from "./ranged.ts";
import { PARALLEL_BYTES_MIN } from "./ranged.ts";
import type { ByteRange } from "./ranged.ts";
import { sendFollowing } from "./redirects.ts";
import { refusalOf } from "./refusal.ts";
import { TransientError, retry } from "./retry.ts";
import { ByteBudget, onDisk, saveStream, syncFolder } from "./save.ts";
import { StorageError, printable } from "./storage-error.ts";

export interface OciLocation {
  readonly registry: string;
  readonly repository: string;
  /** A tag, or a digest. */
  readonly reference: string;
}

export interface OciSettings {
  readonly login: string | undefined;
  /** Plain HTTP, for tests on one machine. */
  readonly insecureHttp: boolean;
}

const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;
const ACCEPTED = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
].join(", ");

export function createOciOrigin(
  location: OciLocation,
  settings: OciSettings,
  context: FetchContext,
): Fetch {
  const registry = new Registry(location, settings, context);
  return (into, known) =>
    retry(async () => {
      const { digest, manifest } = await registry.manifest();
      if (digest === known) return { kind: "unchanged" };
      await clearFolder(into);
      const budget = new ByteBudget(context.bytesMax, context.shown);
      for (const layer of manifest.layers) {
        await placeLayer(layer, { registry, manifest, into, budget, context });
      }
      await onDisk(syncFolder(into));
      return { kind: "fetched", validator: digest, digest };
    }, context);
}

class Registry {
  readonly #location: OciLocation;
  readonly #settings: OciSettings;
  readonly #context: FetchContext;
  readonly #base: URL;
  #authorization: string | undefined;

  constructor(location: OciLocation, settings: OciSettings, context: FetchContext) {
    this.#location = location;
    this.#settings = settings;
    this.#context = context;
    const scheme = settings.insecureHttp ? "http" : "https";
    this.#base = new URL(`${scheme}://${location.registry}/v2/${location.repository}/`);
  }

  /** The manifest of the reference, and its digest, checked. One attempt. */
  async manifest(): Promise<{ digest: string; manifest: OciManifest }> {
    const { shown } = this.#context;
    const first = await this.#document(this.#location.reference);
    const inner = selectManifest(
      first.document,
      process.arch === "x64" ? "amd64" : process.arch,
      shown,
    );
    const found = inner === undefined ? first : await this.#document(inner);
    return { digest: found.digest, manifest: parseManifest(found.document, shown) };
  }

  /** A blob, or a part of it. One attempt. */
  async blob(
    digest: string,
    extra: Record<string, string>,
    signal: AbortSignal,
  ): Promise<HttpReply> {
    return this.#get(`blobs/${digest}`, extra, signal);
  }

  async #document(reference: string): Promise<{ digest: string; document: unknown }> {
    const { shown, signal } = this.#context;
    const reply = await this.#get(`manifests/${reference}`, { accept: ACCEPTED }, signal);
    const text = await readText(reply, MANIFEST_BYTES_MAX);
    const digest = `sha256:${createHash("sha256").update(text).digest("hex")}`;
    if (reference.startsWith("sha256:") && reference !== digest) {
      throw new TransientError(`the manifest that arrived has the digest ${digest}`);
    }
    try {
      return { digest, document: JSON.parse(text) as unknown };
    } catch (cause) {
      const what = `${shown}: the registry's answer is no manifest; check the address`;
      throw new StorageError("unavailable", what, { cause });
    }
  }

  async #get(path: string, extra: Record<string, string>, signal: AbortSignal): Promise<HttpReply> {
    const { http, shown } = this.#context;
    const url = new URL(path, this.#base);
    const ask = async (): Promise<HttpReply> => {
      const headers = { ...extra, "accept-encoding": "identity" };
      const request: HttpRequest =
        this.#authorization === undefined
          ? { method: "GET", url, headers }
          : { method: "GET", url, headers: { ...headers, authorization: this.#authorization } };
      return (await sendFollowing(http, request, { shown, signal })).reply;
    };
    let reply = await ask();
    if (reply.status === 401) {
      const how = { http, registry: this.#base, shown, signal };
      this.#authorization = await authorize(reply, this.#settings.login, how);
      reply = await ask();
    }
    if ([200, 206, 416].includes(reply.status)) return reply;
    const { login } = this.#settings;
    const denied =
      login === undefined
        ? "mount a Secret of type dockerconfigjson and set DOCKER_CONFIG to its folder"
        : "check the login in DOCKER_CONFIG and whether it may pull there";
    const missing = "check the repository and the tag";
    throw await refusalOf(reply, shown, { denied, missing }, (body) => body.slice(0, 200));
  }
}

interface Placing {
  readonly registry: Registry;
  readonly manifest: OciManifest;
  readonly into: string;
  readonly budget: ByteBudget;
  readonly context: FetchContext;
}

async function placeLayer(layer: OciLayer, placing: Placing): Promise<void> {
  const { registry, manifest, into, budget, context } = placing;
  const { shown, signal } = context;
  const digest = { algorithm: "sha256", hex: layer.digest.slice(7) } as const;
  const getRange = async (range: ByteRange, either: AbortSignal) =>
    registry.blob(layer.digest, rangeHeaders(range), either);
  const path = layer.file === undefined ? undefined : await pathOf(layer.file, placing);
  if (path !== undefined && layer.bytes >= PARALLEL_BYTES_MIN) {
    return saveInParts(path, { ...context, bytes: layer.bytes, digest, budget, getRange });
  }
  const reply = await retry(() => registry.blob(layer.digest, {}, signal), context);
  const body = verified(resuming(reply, getRange, context), digest);
  if (path !== undefined) return saveStream(body, path, budget);
  const { head, all, close } = await peek(body);
  const kind = archiveKind(head);
  if (kind === undefined || kind === "zip") {
    await close();
    throw new StorageError("invalid", `${shown}: has a layer that is no tar archive and no file`);
  }
  const below = manifest.image ? "models" : undefined;
  await unpack(all, kind, { into, budget, shown, signal, below });
}

/** Where a layer's file goes. Throws StorageError "invalid" for a name that leads elsewhere. */
async function pathOf(name: string, { into, context }: Placing): Promise<string> {
  const segments = parseEntryName(name);
  if (segments === undefined || segments.length === 0) {
    const shownName = printable(name, 100);
    throw new StorageError("invalid", `${context.shown}: "${shownName}" is no name of a file`);
  }
  const path = join(into, ...segments);
  await onDisk(mkdir(dirname(path), { recursive: true, mode: 0o755 }));
  return path;
}
