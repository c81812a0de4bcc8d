/** How commands print: YAML and JSON as kubectl does, and tables for people. Pure. */
import { stringify } from "yaml";
import { CliError, EXIT } from "./command.ts";

/** The formats for machines. */
export type ObjectFormat = "yaml" | "json";

/** The value of `-o`, which must be one of `allowed`. @throws CliError 64. */
export function parseFormat<F extends string>(text: string, allowed: readonly F[]): F {
  const found = allowed.find((format) => format === text);
  if (found === undefined) {
    throw new CliError(EXIT.usage, `-o must be ${allowed.join(" or ")}, not ${text}`);
  }
  return found;
}

/** One value. Long lines stay whole, and nothing is an alias: the text goes into repositories. */
export function printed(format: ObjectFormat, value: unknown): string {
  return format === "json"
    ? `${JSON.stringify(value, undefined, 2)}\n`
    : stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

/**
 * Kubernetes objects for `kubectl apply -f -`: YAML documents, or in JSON one object or a v1 List.
 */
export function printedObjects(format: ObjectFormat, objects: readonly unknown[]): string {
  if (format === "yaml") {
    return objects.map((object) => printed(format, object)).join("---\n");
  }
  return printed(
    format,
    objects.length === 1 ? objects[0] : { apiVersion: "v1", kind: "List", items: objects },
  );
}

const GAP = "   ";

/** Rows under a head, as `kubectl get` prints them; an empty cell is `-`. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows].map((row) => row.map((cell) => (cell === "" ? "-" : cell)));
  const widths = head.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join(GAP)
      .trimEnd();
  return `${all.map(line).join("\n")}\n`;
}
