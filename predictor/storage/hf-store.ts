/**
 * A repository of a Hugging Face hub as object store: its tree API, and the addresses that resolve
 * to files. All at one commit, so that no download mixes two states.
 */
import type { HttpClient, HttpReply, HttpRequest } from "./http-client.ts";
import { fieldsOf, listOf, readJson, textOf } from "./json.ts";
import type { ObjectStore, StoredObject } from "./object-store.ts";
import { rangeHeaders } from "./ranged.ts";
import type { Digest } from "./ranged.ts";
import { sendFollowing } from "./redirects.ts";
import { refusalOf } from "./refusal.ts";
import { StorageError } from "./storage-error.ts";

export interface HfLocation {
  /** `organisation/name`, or the bare name of a repository from before there were any. */
  readonly repository: string;
  readonly revision: string;
  readonly key: string;
}

export interface HfSettings {
  readonly endpoint: URL;
  readonly token: string | undefined;
}

/** Weights of other frameworks: gigabytes that no onnxruntime reads. */
const FOREIGN =
  /\.(bin|safetensors|h5|msgpack|ot|pt|pth|ckpt|gguf|tflite|mlmodel|pb|npz|mlpackage\/.*)$/i;
/** The same model in another precision: only the one that a path names. */
const VARIANT = /_(quantized|fp16|int8|uint8|q4|q4f16|q8|bnb4)\.onnx(_data(_\d+)?|\.data)?$/i;

export function hfStore(location: HfLocation, settings: HfSettings, http: HttpClient): ObjectStore {
  const { repository, revision } = location;
  const name = repository.split("/").map(encodeURIComponent).join("/");
  let commit: string | undefined;

  async function send(
    path: string,
    { shown, signal, extra = {} }: { shown: string; signal: AbortSignal; extra?: object },
  ): Promise<HttpReply> {
    const headers: Record<string, string> = { "accept-encoding": "identity", ...extra };
    if (settings.token !== undefined) headers["authorization"] = `Bearer ${settings.token}`;
    const url = new URL(path, settings.endpoint);
    const request: HttpRequest = { method: "GET", url, headers, trusted: true };
    const { reply } = await sendFollowing(http, request, { shown, signal });
    if ([200, 206, 412, 416].includes(reply.status)) return reply;
    const known = settings.token === undefined ? "set HF_TOKEN" : "check what HF_TOKEN may read";
    const denied = `${known}; a gated repository has to be asked for on the hub first`;
    const missing = `check the repository, the revision and the path; if it is private, ${known}`;
    throw await refusalOf(reply, shown, { denied, missing }, messageIn);
  }

  async function pin(shown: string, signal: AbortSignal): Promise<string> {
    if (commit !== undefined) return commit;
    const path = `api/models/${name}/revision/${encodeURIComponent(revision)}`;
    const sha = textOf(fieldsOf(await readJson(await send(path, { shown, signal }), shown))["sha"]);
    if (sha === undefined) {
      throw new StorageError("unavailable", `${shown}: no hub answers there; check HF_ENDPOINT`);
    }
    commit = sha;
    return sha;
  }

  return {
    list: async ({ prefix, continuation, shown }, signal) => {
      const at = await pin(shown, signal);
      const below = prefix.replace(/\/$/, "").split("/").map(encodeURIComponent).join("/");
      const first = `api/models/${name}/tree/${at}${below === "" ? "" : `/${below}`}?recursive=true`;
      const reply = await send(continuation ?? first, { shown, signal });
      const objects = listOf(await readJson(reply, shown)).flatMap((item) => {
        const object = parseEntry(item);
        return object === undefined || isUnwanted(object.key, prefix) ? [] : [object];
      });
      return { objects, continuation: nextOf(reply, settings.endpoint) };
    },
    stat: async (key, shown, signal) => {
      // The tree of a file's folder says what the file is; no other answer has its digest.
      const at = await pin(shown, signal);
      const folder = key.split("/").slice(0, -1).map(encodeURIComponent).join("/");
      const path = `api/models/${name}/tree/${at}${folder === "" ? "" : `/${folder}`}`;
      const entries = listOf(await readJson(await send(path, { shown, signal }), shown));
      const object = entries.map(parseEntry).find((each) => each?.key === key);
      if (object !== undefined) return object;
      throw new StorageError("not-found", `${shown}: no such file; check the path`);
    },
    get: async ({ key, range, ifMatch, shown }, signal) => {
      const at = await pin(shown, signal);
      const path = key.split("/").map(encodeURIComponent).join("/");
      const extra = range === undefined ? {} : rangeHeaders(range, ifMatch);
      return send(`${name}/resolve/${at}/${path}`, { shown, signal, extra });
    },
    digestOf: () => undefined,
    uriOf: (key) => `hf://${repository}@${revision}/${key}`,
  };
}

function isUnwanted(key: string, prefix: string): boolean {
  return FOREIGN.test(key) || (VARIANT.test(key) && !VARIANT.test(prefix));
}

function parseEntry(item: unknown): StoredObject | undefined {
  const fields = fieldsOf(item);
  const [key, oid] = [textOf(fields["path"]), textOf(fields["oid"])];
  const bytes = Number(fields["size"]);
  if (fields["type"] !== "file" || key === undefined || !Number.isSafeInteger(bytes)) {
    return undefined;
  }
  const sha256 = textOf(fieldsOf(fields["lfs"])["oid"]);
  return { key, bytes, tag: sha256 ?? oid ?? "", digest: digestOf({ sha256, oid, bytes }) };
}

/** Large files carry the SHA-256 of their content; small ones git's id, the SHA-1 of a blob. */
function digestOf(given: {
  readonly sha256: string | undefined;
  readonly oid: string | undefined;
  readonly bytes: number;
}): Digest | undefined {
  const { sha256, oid = "", bytes } = given;
  if (sha256 !== undefined) return { algorithm: "sha256", hex: sha256 };
  if (!/^[0-9a-f]{40}$/.test(oid)) return undefined;
  return { algorithm: "sha1", hex: oid, prefix: `blob ${bytes}\0` };
}

/** The next page, as a path of the same hub. */
function nextOf({ headers }: HttpReply, endpoint: URL): string | undefined {
  const link = /<([^>]+)>;\s*rel="next"/.exec(String(headers["link"] ?? ""))?.[1];
  if (link === undefined || !URL.canParse(link, endpoint.href)) return undefined;
  const url = new URL(link, endpoint);
  return url.origin === endpoint.origin ? `${url.pathname}${url.search}` : undefined;
}

function messageIn(body: string): string | undefined {
  try {
    return textOf(fieldsOf(JSON.parse(body))["error"]);
  } catch {
    return body.startsWith("<") ? undefined : body;
  }
}
