import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

/** A package whose code is in a bundle. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly text: string;
}

/** The folders of the packages that these inputs of a bundle belong to, sorted. */
export function selectPackageFolders(inputs: readonly string[]): string[] {
  const folders = inputs.flatMap((input) => {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    return match?.[1] === undefined ? [] : [match[1]];
  });
  return [...new Set(folders)].sort();
}

/** Reads what a package says about its licence. Throws if it says nothing. */
export async function readPackage(folder: string): Promise<BundledPackage> {
  const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as {
    readonly name: string;
    readonly version: string;
    readonly license?: unknown;
  };
  const names = await readdir(folder);
  const files = names.filter((name) => /^(licen[cs]e|copying|notice)/i.test(name)).sort();
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), "utf8")));
  const license = typeof manifest.license === "string" ? manifest.license : "";
  if (license === "" && texts.length === 0) {
    throw new Error(`${folder} names no licence: it may not be shipped`);
  }
  const text = texts.map((part) => part.replaceAll("\r\n", "\n").trim()).join("\n\n");
  return { name: manifest.name, version: manifest.version, license, text };
}

/** One text with every licence, in a stable order. */
export function renderLicenses(packages: readonly BundledPackage[]): string {
  const rule = "-".repeat(78);
  const parts = packages.map(({ name, version, license, text }) => {
    const body = text === "" ? "(The package carries no licence file.)" : text;
    return `${rule}\n${name} ${version} (${license || "see below"})\n${rule}\n\n${body}\n`;
  });
  const title = "Pilotlight's programs contain code of these packages, under these licences.\n";
  return [title, ...parts].join("\n");
}
