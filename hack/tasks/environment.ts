/**
 * A Python with transformers, torch and optimum, for the fixtures of tasks. PyPI's torch for x64
 * drags gigabytes of CUDA along; Debian's has none of it, and runs in another Python of its version
 * from a folder.
 */
import { access, mkdir, readFile, readdir, rename, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { cacheFolder } from "../go/cache.ts";
import { runCommand } from "../go/command.ts";
import { withLock } from "../go/lock.ts";
import { ensureVenv } from "../python/venv.ts";

export interface TasksPython {
  readonly python: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Needs torch, which pip would fetch with it. */
const OPTIMUM = "optimum==1.23.3";
const DEBIAN_RELEASE = "12";
const PYTHON = "3.11";
const INSTALL_MS = 900_000;

/** Why there is no such Python here, in a sentence; nothing when there can be. */
export async function tasksPythonHindrance(): Promise<string | undefined> {
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  const debian = /^ID=debian$/m.test(release) && release.includes(`VERSION_ID="${DEBIAN_RELEASE}"`);
  const says = await runCommand("python3", ["--version"], { tolerate: true }).catch(
    () => undefined,
  );
  if (debian && process.arch === "x64" && says?.stdout.startsWith(`Python ${PYTHON}.`) === true) {
    return undefined;
  }
  return `needs Debian ${DEBIAN_RELEASE} on x64 with Python ${PYTHON}, for its torch without CUDA`;
}

/** Makes it on the first call, a few minutes and 1 GB in the cache. */
export async function ensureTasksPython(): Promise<TasksPython> {
  const python = await ensureVenv({ name: "transformers" });
  const torch = join(cacheFolder(), "python", `torch-debian-${DEBIAN_RELEASE}`);
  await withLock(`${torch}.lock`, async () => {
    if (!(await exists(torch))) await extractTorch(torch);
    const install = ["-m", "pip", "install", "--quiet", "--no-deps", OPTIMUM];
    const found = await runCommand(python, ["-c", "import optimum"], { tolerate: true });
    if (found.exitCode !== 0) await runCommand(python, install, { timeoutMs: INSTALL_MS });
  });
  const libraries = join(torch, "usr/lib/x86_64-linux-gnu");
  const paths = [
    libraries,
    join(libraries, "blas"),
    join(libraries, "lapack"),
    join(torch, "usr/lib"),
    join(torch, "lib/x86_64-linux-gnu"),
  ];
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: paths.join(delimiter),
    PYTHONPATH: join(torch, "usr/lib/python3/dist-packages"),
    HF_HUB_OFFLINE: "1",
    TOKENIZERS_PARALLELISM: "false",
  };
  return { python, env };
}

/** Debian's torch with the libraries that it needs and this machine hasn't, as a folder. */
async function extractTorch(folder: string): Promise<void> {
  const unfinished = `${folder}.${process.pid}`;
  const packages = join(unfinished, "packages");
  await mkdir(packages, { recursive: true });
  const plan = ["install", "--simulate", "--no-install-recommends", "python3-torch"];
  const { stdout } = await runCommand("apt-get", plan);
  const names = [...stdout.matchAll(/^Inst (\S+)/gm)]
    .map((match) => match[1] ?? "")
    // Python's own packages come from the environment.
    .filter((name) => name === "python3-torch" || !name.startsWith("python3-"));
  const options = { cwd: packages, timeoutMs: INSTALL_MS };
  await runCommand("apt-get", ["download", ...names], options);
  for (const file of await readdir(packages)) {
    await runCommand("dpkg", ["--extract", join(packages, file), unfinished]);
  }
  await rm(packages, { recursive: true });
  await rename(unfinished, folder);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
