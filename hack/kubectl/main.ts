/**
 * `npm run plugin [-- URI]`: dist/plugin/kubectl-pilotlight.tar.gz and its krew manifest. URI is
 * where the archive will be downloaded from, for an index of plugins.
 */
import { join, relative } from "node:path";
import { buildPlugin } from "./plugin.ts";

const root = join(import.meta.dirname, "../..");
const [uri = "https://example.com/kubectl-pilotlight.tar.gz"] = process.argv.slice(2);
const { archive, manifest } = await buildPlugin(root, join(root, "dist/plugin"), uri);
for (const path of [archive, manifest]) {
  process.stdout.write(`${relative(root, path)}\n`);
}
