/**
 * What a registry asks for before it gives anything: the token flow of the distribution
 * specification, and the credentials of a Docker configuration.
 * Source: https://distribution.github.io/distribution/spec/auth/token
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type { HttpClient, HttpReply } from "./http-client.ts";
import { fieldsOf, readJson, textOf } from "./json.ts";
import type { Variables } from "./s3-settings.ts";
import { StorageError } from "./storage-error.ts";

/** `user:password` in base64 for a registry, or undefined. */
export async function readRegistryLogin(
  registry: string,
  variables: Variables,
): Promise<string | undefined> {
  const folder = variables["DOCKER_CONFIG"];
  if (folder === undefined) return undefined;
  for (const name of ["config.json", ".dockerconfigjson"]) {
    const text = await readIfThere(join(folder, name));
    if (text === undefined) continue;
    const auths = fieldsOf(fieldsOf(parse(text, join(folder, name)))["auths"]);
    for (const [host, entry] of Object.entries(auths)) {
      if (bareHost(host) === registry) return loginOf(entry);
    }
  }
  return undefined;
}

function loginOf(entry: unknown): string | undefined {
  const { auth, username, password } = fieldsOf(entry);
  if (textOf(auth)) return textOf(auth);
  if (!textOf(username) || !textOf(password)) return undefined;
  return Buffer.from(`${textOf(username)}:${textOf(password)}`).toString("base64");
}

/** `https://index.docker.io/v1/` and the like name the same registry as `docker.io`. */
function bareHost(name: string): string {
  const host = name.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return host === "index.docker.io" || host === "docker.io" ? "registry-1.docker.io" : host;
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const what = `DOCKER_CONFIG ${path}: is no JSON; mount a Secret of type dockerconfigjson`;
    throw new StorageError("access-denied", what, { cause });
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : "";
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new StorageError("access-denied", `DOCKER_CONFIG: ${String(cause)}`, { cause });
  }
}

/**
 * The Authorization header that a 401 asks for. Credentials go nowhere but to the registry and to
 * the token server that it names. Rejects with StorageError.
 */
export async function authorize(
  reply: HttpReply,
  login: string | undefined,
  how: {
    readonly http: HttpClient;
    readonly registry: URL;
    readonly shown: string;
    readonly signal: AbortSignal;
  },
): Promise<string | undefined> {
  const { http, registry, shown, signal } = how;
  const challenge = reply.headers["www-authenticate"] ?? "";
  reply.body.destroy();
  const basic = login === undefined ? undefined : `Basic ${login}`;
  if (/^basic\b/i.test(challenge)) return basic;
  const parameters = Object.fromEntries(
    [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = "", value = ""]) => [name, value]),
  ) as Readonly<Record<string, string | undefined>>;
  const { realm, service, scope } = parameters;
  if (!/^bearer\b/i.test(challenge) || realm === undefined || !URL.canParse(realm)) {
    return undefined;
  }
  const url = new URL(realm);
  if (url.protocol !== "https:" && registry.protocol === "https:") {
    throw new StorageError("invalid", `${shown}: its token server ${url.host} is not secure`);
  }
  if (service !== undefined) url.searchParams.set("service", service);
  if (scope !== undefined) url.searchParams.set("scope", scope);
  const headers: Record<string, string> = basic === undefined ? {} : { authorization: basic };
  const answer = await http.send({ method: "GET", url, headers }, signal);
  if (answer.status !== 200) {
    answer.body.destroy();
    const what = `${shown}: the token server ${url.host} answered HTTP ${answer.status}`;
    throw new StorageError("access-denied", `${what}; check the login in DOCKER_CONFIG`);
  }
  const fields = fieldsOf(await readJson(answer, shown));
  const token = textOf(fields["token"]) ?? textOf(fields["access_token"]);
  return token === undefined ? undefined : `Bearer ${token}`;
}
