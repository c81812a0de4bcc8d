/**
 * `node hack/chart/main.ts`: generates what of the chart comes from elsewhere in the tree.
 * `node hack/chart/main.ts install [HELM ARGUMENT…]`: writes dist/install.yaml.
 */
import { generateChart } from "./generate.ts";
import { writeInstall } from "./install.ts";

async function main([command, ...rest]: readonly string[]): Promise<number> {
  if (command === undefined) {
    for (const path of await generateChart()) {
      process.stdout.write(`generated ${path}\n`);
    }
    return 0;
  }
  if (command === "install") {
    process.stdout.write(`${await writeInstall(rest)}\n`);
    return 0;
  }
  process.stderr.write("usage: node hack/chart/main.ts [install [HELM ARGUMENT...]]\n");
  return 64;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
