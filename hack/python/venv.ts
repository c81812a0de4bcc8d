/**
 * Python for tests and benchmarks that need other people's programs: clients, other servers. An
 * environment per file of pinned requirements, made once per machine and kept in the cache; the
 * file's digest is in its path, so that a changed pin makes a new one.
 */
import { createHash } from "node:crypto";
import { access, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "../go/cache.ts";
import { runCommand } from "../go/command.ts";
import { withLock } from "../go/lock.ts";
import { createProgress } from "../go/progress.ts";
import type { Progress } from "../go/progress.ts";

export interface VenvOptions {
  /** The environment's name, and that of requirements/NAME.txt. */
  readonly name: string;
  /** Lines of a requirements file instead of the file: for tests. */
  readonly requirements?: string;
  readonly progress?: Progress;
  /** Where environments are kept, instead of the cache. */
  readonly folder?: string;
}

const COMPLETE = ".complete";
const INSTALL_TIMEOUT_MS = 1_800_000;
/** tritonclient, KServe and MLServer have no wheels for older ones. */
const VERSION_MIN = [3, 10] as const;

/** The file of pinned requirements of an environment. */
export function requirementsPath(name: string): string {
  return join(import.meta.dirname, "requirements", `${name}.txt`);
}

/**
 * The path of the environment's Python, made first if this machine hasn't it yet: seconds to a
 * minute, with the package index at hand. Rejects with the installer's last lines.
 */
export async function ensureVenv(options: VenvOptions): Promise<string> {
  const { name, progress = createProgress(), folder = join(cacheFolder(), "python") } = options;
  const requirements = options.requirements ?? (await readFile(requirementsPath(name), "utf8"));
  const system = await systemPython();
  if (system === undefined) throw new Error((await pythonHindrance()) ?? "no Python");
  const digest = createHash("sha256").update(`${system.version}\n${requirements}`).digest("hex");
  const venv = join(folder, `${name}-${digest.slice(0, 16)}`);
  const python = join(venv, "bin", "python");
  if (await exists(join(venv, COMPLETE))) return python;
  const onWait = ({ pid }: { pid: number }): void =>
    progress.say(`Python environment ${name}: process ${pid} is making it, waiting`);
  await withLock(
    `${venv}.lock`,
    async () => {
      if (await exists(join(venv, COMPLETE))) return;
      await progress.step(`making the Python environment ${name}`, async () =>
        make(venv, { python: system.path, requirements }),
      );
    },
    { onWait },
  );
  return python;
}

async function make(
  venv: string,
  { python, requirements }: { python: string; requirements: string },
): Promise<void> {
  await rm(venv, { recursive: true, force: true });
  await runCommand(python, ["-m", "venv", venv]);
  const file = join(venv, "requirements.txt");
  await writeFile(file, requirements);
  const quiet = ["--quiet", "--disable-pip-version-check", "--no-input"];
  const install = ["-m", "pip", "install", ...quiet, "--requirement", file];
  await runCommand(join(venv, "bin", "python"), install, { timeoutMs: INSTALL_TIMEOUT_MS });
  await writeFile(join(venv, COMPLETE), "");
}

/** Why no environment can be made here, in a sentence; nothing when one can. */
export async function pythonHindrance(): Promise<string | undefined> {
  const python = await systemPython();
  const wanted = VERSION_MIN.join(".");
  if (python === undefined) return `needs Python ${wanted} or newer as python3`;
  const [major = 0, minor = 0] = python.version.split(".").map(Number);
  if (major < VERSION_MIN[0] || (major === VERSION_MIN[0] && minor < VERSION_MIN[1])) {
    return `needs Python ${wanted} or newer, python3 is ${python.version}`;
  }
  if (await hasVenv(python.path)) return undefined;
  // Debian and Ubuntu keep venv in a package of its own.
  if (process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const install = ["install", "--yes", "--no-install-recommends", "python3-venv"];
    await runCommand("apt-get", install, { env, tolerate: true }).catch(() => undefined);
  }
  return (await hasVenv(python.path)) ? undefined : "needs Python's venv: install python3-venv";
}

async function hasVenv(python: string): Promise<boolean> {
  return (await output(python, ["-c", "import venv, ensurepip"])) !== undefined;
}

async function systemPython(): Promise<{ path: string; version: string } | undefined> {
  const code = "import sys; print('%d.%d.%d' % sys.version_info[:3])";
  const version = await output("python3", ["-c", code]);
  return version === undefined ? undefined : { path: "python3", version };
}

async function output(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    return (await runCommand(command, args)).stdout.trim();
  } catch {
    return undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
