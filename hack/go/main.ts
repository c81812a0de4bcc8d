/** `node hack/go/main.ts NAME...`: builds what is missing and prints a path for each name. */
import { ensureBinary } from "./build.ts";
import { BINARY_NAMES, isBinaryName } from "./modules.ts";
import { createProgress } from "./progress.ts";

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !isBinaryName(name));
  if (names.length === 0 || unknown.length > 0) {
    const what = unknown.length > 0 ? `unknown: ${unknown.join(", ")}\n` : "";
    process.stderr.write(`${what}usage: node hack/go/main.ts NAME...\n`);
    process.stderr.write(`names: ${BINARY_NAMES.join(", ")}\n`);
    return 64;
  }
  const progress = createProgress();
  for (const name of names.filter(isBinaryName)) {
    process.stdout.write(`${await ensureBinary(name, progress)}\n`);
  }
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
