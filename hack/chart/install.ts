import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ensureBinary } from "../go/build.ts";
import { runCommand } from "../go/command.ts";
import { CHART, ROOT } from "./generate.ts";

export const INSTALL_NAMESPACE = "pilotlight-system";
export const INSTALL_FILE = "dist/install.yaml";

/** Not older than what Chart.yaml asks for; nothing in the templates depends on it. */
const KUBE_VERSION = "1.36.0";

export interface RenderOptions {
  readonly release?: string;
  readonly namespace?: string;
  readonly args?: readonly string[];
}

/** What `helm template` makes of the chart. */
export async function renderChart(options: RenderOptions = {}): Promise<string> {
  const { release = "pilotlight", namespace = INSTALL_NAMESPACE, args = [] } = options;
  const rendered = await runCommand(await ensureBinary("helm"), [
    "template",
    release,
    join(ROOT, CHART),
    "--namespace",
    namespace,
    "--kube-version",
    KUBE_VERSION,
    ...args,
  ]);
  return rendered.stdout;
}

/** The namespace of the installation: it takes pods of the restricted profile only. */
export function installNamespace(name: string = INSTALL_NAMESPACE): string {
  return [
    "apiVersion: v1",
    "kind: Namespace",
    "metadata:",
    `  name: ${name}`,
    "  labels:",
    "    app.kubernetes.io/part-of: pilotlight",
    "    pod-security.kubernetes.io/enforce: restricted",
    "    pod-security.kubernetes.io/warn: restricted",
    "    pod-security.kubernetes.io/audit: restricted",
    "",
  ].join("\n");
}

/** Writes dist/install.yaml, for those who install with kubectl alone; returns its path. */
export async function writeInstall(args: readonly string[] = []): Promise<string> {
  const path = join(ROOT, INSTALL_FILE);
  const text = `${installNamespace()}${await renderChart({ args })}`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  return path;
}
