import { createHash, randomUUID } from "node:crypto";
import { access, copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { CommandError, runCommand } from "./command.ts";
import { renderGoMod } from "./go-mod.ts";
import { withLock } from "./lock.ts";
import { recipeOf, type BinaryName, type Recipe } from "./modules.ts";
import { createProgress, type Progress } from "./progress.ts";

const SOURCES = join(import.meta.dirname, "src");
const BUILD_TIMEOUT_MS = 3_600_000;

/**
 * The path of a binary of the table, built first when no earlier run has left it. The first
 * build of a binary takes minutes and says so; two checkouts never build the same one at once.
 * Throws when there is no Go toolchain, or when the build fails, with the compiler's last lines.
 */
export async function ensureBinary(
  name: BinaryName,
  progress: Progress = createProgress(),
): Promise<string> {
  const recipe = recipeOf(name);
  const target = await pathOf(name, recipe);
  if (await exists(target)) {
    return target;
  }
  const onWait = (holder: { pid: number }): void =>
    progress.say(`another process (${holder.pid}) builds ${name}: waiting for it`);
  await withLock(
    join(cacheFolder(), "locks", basename(target)),
    async () => {
      if (!(await exists(target))) {
        await progress.step(`build ${name} ${recipe.version}`, () => build(name, recipe, target));
      }
    },
    { onWait },
  );
  return target;
}

/** The path of a binary that an earlier run has built; undefined when none has. */
export async function findBinary(name: BinaryName): Promise<string | undefined> {
  const path = await pathOf(name, recipeOf(name));
  return (await exists(path)) ? path : undefined;
}

async function pathOf(name: BinaryName, recipe: Recipe): Promise<string> {
  return join(cacheFolder(), "bin", `${name}-${recipe.version}-${await recipeHash(recipe)}`);
}

/** Several binaries, one after the other: each build uses every core by itself. */
export async function ensureBinaries<Name extends BinaryName>(
  names: readonly Name[],
  progress: Progress = createProgress(),
): Promise<Record<Name, string>> {
  const paths: Partial<Record<Name, string>> = {};
  for (const name of names) {
    paths[name] = await ensureBinary(name, progress);
  }
  return paths as Record<Name, string>;
}

/** The folder of a module's source in Go's module cache, downloaded when missing. */
export async function ensureModuleSource(
  module: string,
  version: string,
  toolchain?: string,
): Promise<string> {
  return moduleFolder(`${module}@${version}`, await goEnvironment(toolchain));
}

/** A changed recipe is another binary: its hash is part of the file's name. */
async function recipeHash(recipe: Recipe): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(recipe));
  if (recipe.source !== undefined) {
    hash.update(await readFile(join(SOURCES, recipe.source, "main.go")));
  }
  return hash.digest("hex").slice(0, 8);
}

async function build(name: BinaryName, recipe: Recipe, target: string): Promise<void> {
  const env = await goEnvironment(recipe.toolchain);
  const folder = join(cacheFolder(), "go", `${name}-${recipe.version}`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "go.mod"), renderGoMod(name, recipe, await upstream(recipe, env)));
  if (recipe.source !== undefined) {
    await copyFile(join(SOURCES, recipe.source, "main.go"), join(folder, "main.go"));
  }
  const stamps = Object.entries(recipe.stamp ?? {}).map(([key, value]) => `-X ${key}=${value}`);
  const partial = `${target}.${randomUUID()}`;
  await mkdir(dirname(target), { recursive: true });
  const flags = ["-trimpath", "-ldflags", ["-s", "-w", ...stamps].join(" "), "-o", partial];
  try {
    await runCommand("go", ["build", ...flags, recipe.package ?? "."], {
      cwd: folder,
      env,
      timeoutMs: BUILD_TIMEOUT_MS,
    });
    await rename(partial, target);
  } finally {
    await rm(partial, { force: true });
  }
}

/** The go.mod of the recipe's module; empty when nothing of it is to be repeated. */
async function upstream(recipe: Recipe, env: NodeJS.ProcessEnv): Promise<string> {
  if (recipe.module === undefined || recipe.replaces === undefined) {
    return "";
  }
  const folder = await moduleFolder(`${recipe.module}@${recipe.version}`, env);
  return readFile(join(folder, "go.mod"), "utf8");
}

async function moduleFolder(query: string, env: NodeJS.ProcessEnv): Promise<string> {
  // Outside of any module, so that no go.mod of the folder it runs in takes part.
  const folder = join(cacheFolder(), "go");
  await mkdir(folder, { recursive: true });
  const { stdout } = await runCommand("go", ["mod", "download", "-json", query], {
    cwd: folder,
    env,
  });
  const parsed = JSON.parse(stdout) as { Dir?: string };
  if (parsed.Dir === undefined) {
    throw new Error(`go mod download ${query}: no folder in its answer: ${stdout}`);
  }
  return parsed.Dir;
}

/** Static binaries, whatever the caller's own flags for Go are. */
async function goEnvironment(toolchain: string | undefined): Promise<NodeJS.ProcessEnv> {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    CGO_ENABLED: "0",
    GOFLAGS: "-mod=mod",
    GOWORK: "off",
    ...(toolchain === undefined ? {} : { GOTOOLCHAIN: toolchain }),
  };
  try {
    await runCommand("go", ["env", "GOVERSION"], { env });
  } catch (error) {
    const missing =
      error instanceof CommandError &&
      (error.cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
    if (missing) {
      throw new Error("no Go toolchain: install Go 1.26 or newer and put `go` on the PATH", {
        cause: error,
      });
    }
    throw error;
  }
  return env;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
