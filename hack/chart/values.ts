/**
 * values.yaml, read with its comments: each key's description, and what it may be set to. The one
 * source of values.schema.json and of the table in docs/install.md.
 */
import { isMap, isScalar, parse, parseDocument, type Pair, type YAMLMap } from "yaml";
import { VALUE_TYPES, type JsonSchema } from "./value-types.ts";

export interface ValueNode {
  /** With dots, from the root. */
  readonly path: string;
  readonly description: string;
  readonly default: unknown;
  readonly schema: JsonSchema;
}

export interface ChartValues {
  readonly schema: JsonSchema;
  /** What can be set, in the order of the file; keys that only hold others are left out. */
  readonly leaves: readonly ValueNode[];
}

/**
 * @throws Error that names the key when one has no description, or a value that does not say what
 * it may be.
 */
export function parseValues(text: string): ChartValues {
  const root = parseDocument(text).contents;
  if (!isMap(root)) {
    throw new Error("values.yaml is no map");
  }
  const leaves: ValueNode[] = [];
  const schema = mapSchema(root, "", leaves);
  return { schema: { $schema: "http://json-schema.org/draft-07/schema#", ...schema }, leaves };
}

function mapSchema(map: YAMLMap, prefix: string, leaves: ValueNode[]): JsonSchema {
  const properties = map.items.map((pair, at) => {
    const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
    // YAML gives the comment above the first key to the map around it.
    const comment = commentOf(pair) ?? (at === 0 ? map.commentBefore : undefined) ?? "";
    const path = prefix === "" ? key : `${prefix}.${key}`;
    return [key, valueSchema(pair, path, parseComment(comment, path), leaves)] as const;
  });
  return {
    type: "object",
    additionalProperties: false,
    properties: Object.fromEntries(properties),
  };
}

function commentOf(pair: Pair): string | undefined {
  return (isScalar(pair.key) ? pair.key.commentBefore : undefined) ?? undefined;
}

interface Comment {
  readonly description: string;
  readonly type: JsonSchema | undefined;
  readonly schema: JsonSchema;
}

function parseComment(comment: string, path: string): Comment {
  // What stands above an empty line is about the file or a section, not about this key.
  const own = comment.split(/\n[ \t]*\n/).at(-1) ?? "";
  const lines = own.split("\n").map((line) => line.trim());
  const tagged = (tag: string): readonly string[] =>
    lines.filter((line) => line.startsWith(`@${tag} `)).map((line) => line.slice(tag.length + 2));
  const [type] = tagged("type");
  if (type !== undefined && VALUE_TYPES[type] === undefined) {
    const known = Object.keys(VALUE_TYPES).join(", ");
    throw new Error(`values.yaml: ${path}: no @type ${type}; there are ${known}`);
  }
  const schemas = tagged("schema").map((text) => parse(text) as JsonSchema);
  return {
    description: lines.filter((line) => line !== "" && !line.startsWith("@")).join(" "),
    type: type === undefined ? undefined : VALUE_TYPES[type],
    schema: Object.assign({}, ...schemas) as JsonSchema,
  };
}

function valueSchema(pair: Pair, path: string, comment: Comment, leaves: ValueNode[]): JsonSchema {
  const { description, type } = comment;
  const words = description === "" ? {} : { description };
  if (isMap(pair.value) && type === undefined && pair.value.items.length > 0) {
    return { ...words, ...mapSchema(pair.value, path, leaves) };
  }
  if (description === "") {
    throw new Error(`values.yaml: ${path} has no description: put a comment above it`);
  }
  const value = toPlain(pair.value);
  const schema = { ...words, ...(type ?? scalarType(value, path)), ...comment.schema };
  leaves.push({ path, description, default: value, schema });
  return schema;
}

function toPlain(node: unknown): unknown {
  return typeof node === "object" && node !== null && "toJSON" in node
    ? (node as { toJSON: () => unknown }).toJSON()
    : node;
}

function scalarType(value: unknown, path: string): JsonSchema {
  if (typeof value === "string" || typeof value === "boolean") {
    return { type: typeof value };
  }
  if (Number.isInteger(value)) {
    return { type: "integer" };
  }
  throw new Error(`values.yaml: ${path}: say what it may be by @type or @schema`);
}

/** The leaves as a Markdown table. */
export function valuesTable(leaves: readonly ValueNode[]): string {
  const rows = leaves.map(
    ({ path, default: value, description }) =>
      `| \`${path}\` | \`${shown(value)}\` | ${description.replaceAll("|", "\\|")} |`,
  );
  return ["| value | default | meaning |", "|---|---|---|", ...rows, ""].join("\n");
}

function shown(value: unknown): string {
  return JSON.stringify(value).replaceAll("|", "\\|");
}
