import type { Recipe } from "./modules.ts";

/** Lowest Go release that compiles every module of the table but those with a toolchain. */
const GO_VERSION = "1.26.0";

/**
 * The text of the go.mod in whose folder a recipe is built.
 * `upstream` is the go.mod of the recipe's own module: the main module alone may replace, so
 * that the lines of a dependency's go.mod on which its build relies are repeated here.
 */
export function renderGoMod(name: string, recipe: Recipe, upstream: string): string {
  const lines = [`module pilotlight.dev/build/${name}`, `go ${goVersionOf(recipe)}`];
  if (recipe.module !== undefined) {
    lines.push(`require ${recipe.module} ${recipe.version}`);
  }
  return [...lines, ...replaceLines(recipe, upstream)].map((line) => `${line}\n`).join("");
}

function goVersionOf(recipe: Recipe): string {
  return recipe.toolchain?.replace(/^go/, "") ?? GO_VERSION;
}

function replaceLines(recipe: Recipe, upstream: string): string[] {
  const replaced = [...upstream.matchAll(/^\s*(?:replace\s+)?(\S+(?: v\S+)?) => (\S.*)$/gm)].map(
    ([, from, to]) => ({ from: from ?? "", to: (to ?? "").replace(/\s*\/\/.*$/, "").trim() }),
  );
  if (recipe.replaces === "staging") {
    // Kubernetes v1.N.P publishes its staging folders as modules of version v0.N.P.
    const version = recipe.version.replace(/^v1\./, "v0.");
    return replaced
      .filter(({ to }) => to.startsWith("./staging/"))
      .map(({ from }) => `replace ${from} => ${from} ${version}`);
  }
  if (recipe.replaces === "remote") {
    return replaced
      .filter(({ to }) => !to.startsWith("."))
      .map(({ from, to }) => `replace ${from} => ${to}`);
  }
  return [];
}
