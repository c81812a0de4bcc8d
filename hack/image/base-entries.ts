/**
 * The base layer: what Node needs of an operating system, and no more. It has the layout of the
 * official Node images, so that the Dockerfile can stand on either.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import type { LayerEntry } from "./layer.ts";

/** Where the official Node images have it. */
export const NODE_PATH = "/usr/local/bin/node";
export const USER = { name: "pilotlight", id: 10001 } as const;

const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";

/** The entries of the base layer, for this machine's architecture. Throws if it isn't Linux. */
export async function selectBaseEntries(root: string): Promise<LayerEntry[]> {
  const node = nodeBinary(root);
  const libraries = new Set<string>();
  for (const binary of [node, ...onnxruntimeBinaries(root)]) {
    for (const library of await listLibraries(binary)) libraries.add(library);
  }
  const { name, id } = USER;
  return [
    { kind: "file", path: NODE_PATH, source: node, mode: 0o755 },
    { kind: "file", path: "/usr/local/LICENSE", source: licenseOf(node), mode: 0o644 },
    ...[...libraries].map(asLibrary),
    ...(existsSync(CERTIFICATES) ? [asFile(CERTIFICATES)] : []),
    text("/etc/passwd", [
      "root:x:0:0:root:/root:/sbin/nologin",
      `${name}:x:${id}:${id}:${name}:/nonexistent:/sbin/nologin`,
    ]),
    text("/etc/group", ["root:x:0:", `${name}:x:${id}:`]),
    // Without it, glibc asks the name server before it reads /etc/hosts.
    text("/etc/nsswitch.conf", ["hosts: files dns"]),
    { kind: "folder", path: "/tmp", mode: 0o1777 },
  ];
}

/** The Node binary that came with the dependencies. */
export function nodeBinary(root: string): string {
  const binary = join(root, `node_modules/node-linux-${process.arch}/bin/node`);
  if (process.platform === "linux" && existsSync(binary)) return binary;
  throw new Error(
    `images are built on Linux with the Node binary of the dependencies; ${binary} is missing: run \`npm ci\``,
  );
}

/** onnxruntime's native files for this platform. */
export function onnxruntimeBinaries(root: string): string[] {
  const folder = join(root, `node_modules/onnxruntime-node/bin/napi-v6/linux/${process.arch}`);
  return [join(folder, "libonnxruntime.so.1"), join(folder, "onnxruntime_binding.node")];
}

/** The libraries that the loader finds for a binary, the loader itself included. */
async function listLibraries(binary: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)("ldd", [binary]);
  return parseLdd(stdout, binary);
}

/** Reads ldd's answer. Throws if a library was not found. */
export function parseLdd(output: string, binary: string): string[] {
  const found: string[] = [];
  for (const line of output.split("\n").map((part) => part.trim())) {
    if (line.includes("=> not found")) throw new Error(`${binary} needs a library: ${line}`);
    // `name => /path (0x…)`, or `/path (0x…)` for the loader; the kernel's own has no path.
    const match = /(?:=> )?(\/\S+) \(0x[0-9a-f]+\)$/.exec(line);
    // What a binary brings along lies beside it in the image, too.
    if (match?.[1] !== undefined && !match[1].includes("/node_modules/")) found.push(match[1]);
  }
  return found;
}

function asLibrary(path: string): LayerEntry {
  return { kind: "file", path, source: path, mode: 0o755 };
}

function asFile(path: string): LayerEntry {
  return { kind: "file", path, source: path, mode: 0o644 };
}

function text(path: string, lines: readonly string[]): LayerEntry {
  return { kind: "text", path, text: `${lines.join("\n")}\n` };
}

function licenseOf(node: string): string {
  return join(node, "../../LICENSE");
}
