/**
 * `node hack/complete-lock.ts`, after `npm install`: adds to package-lock.json the packages for
 * other platforms that the registry in use did not serve. npm leaves them out then, and `npm ci`
 * refuses a lock file that lacks an optional dependency, on every machine.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Record<string, LockedPackage>;
}

const SYSTEMS = ["android", "darwin", "freebsd", "linux", "win32", "openharmony"];
const PROCESSORS = ["arm64", "arm", "x64", "ia32", "s390x", "ppc64", "riscv64", "loong64"];

/**
 * Optional dependencies that some package of the lock names and that have no entry of their own.
 */
export function missingPackages(lock: Lock): ReadonlyMap<string, LockedPackage> {
  const missing = new Map<string, LockedPackage>();
  for (const parent of Object.values(lock.packages)) {
    for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
      const path = `node_modules/${name}`;
      if (lock.packages[path] === undefined) {
        missing.set(path, platformPackage(name, version, parent.dev ?? false));
      }
    }
  }
  return missing;
}

/**
 * The entry of a package by its name, such as `@oxfmt/binding-linux-arm64-musl`.
 * @throws Error for a name that says no platform: such a package must not be invented.
 */
function platformPackage(name: string, version: string, dev: boolean): LockedPackage {
  const words = name.split(/[/-]/);
  const os = SYSTEMS.find((system) => words.includes(system));
  const cpu = PROCESSORS.find((processor) => words.includes(processor));
  if (os === undefined || cpu === undefined) {
    throw new Error(`${name} is missing from the lock file and names no platform: run npm install`);
  }
  const libc = words.some((word) => word.startsWith("musl"))
    ? ["musl"]
    : words.some((word) => word.startsWith("gnu"))
      ? ["glibc"]
      : undefined;
  return {
    version,
    cpu: [cpu],
    ...(dev ? { dev } : {}),
    ...(libc === undefined ? {} : { libc }),
    optional: true,
    os: [os],
  };
}

async function main(): Promise<void> {
  const path = join(import.meta.dirname, "../package-lock.json");
  const lock = JSON.parse(await readFile(path, "utf8")) as Lock;
  const missing = missingPackages(lock);
  const packages = Object.entries({ ...lock.packages, ...Object.fromEntries(missing) });
  const sorted = packages.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const content = { ...lock, packages: Object.fromEntries(sorted) };
  await writeFile(path, `${JSON.stringify(content, null, 2)}\n`);
  process.stdout.write(`${missing.size} packages of other platforms added\n`);
}

if (process.argv[1] === import.meta.filename) {
  await main();
}
