/**
 * Rows made from a schema: a full example object is walked beside the schema that describes it, and
 * each keyword (type, enum, length, range, count, required) becomes a value just inside and a value
 * just outside of it.
 */

/** The keywords of a structural schema that refuse something. */
export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly "x-kubernetes-validations"?: readonly {
    readonly rule: string;
    readonly message: string;
  }[];
  readonly "x-kubernetes-int-or-string"?: boolean;
}

export type Step = string | number;

export interface BoundRow {
  /** Where in the object the value goes. */
  readonly path: readonly Step[];
  readonly keyword: string;
  /** Undefined takes the field away. */
  readonly value: unknown;
  readonly accepted: boolean;
}

/** Every bound of `schema` at the places that `example` fills. */
export function boundRows(
  schema: Schema,
  example: unknown,
  path: readonly Step[] = [],
): readonly BoundRow[] {
  const own = [
    ...typeRows(schema),
    ...textRows(schema, example),
    ...rangeRows(schema),
    ...countRows(schema, example),
  ].map((row) => ({ ...row, path }));
  const missing = (schema.required ?? []).map((name) => ({
    path: [...path, name],
    keyword: "required",
    value: undefined,
    accepted: false,
  }));
  const inner = children(schema, example).flatMap(({ step, schema: below, value }) =>
    boundRows(below, value, [...path, step]),
  );
  return [...own, ...missing, ...inner];
}

/**
 * Paths of all properties of a schema; `*` stands for items and free keys. One without a type bounds
 * nothing and is left out: it is there to be refused by the controller.
 */
export function propertyPaths(schema: Schema, path: string = ""): readonly string[] {
  const bounded = Object.entries(schema.properties ?? {}).filter(
    ([, below]) => below.type !== undefined || below["x-kubernetes-int-or-string"] === true,
  );
  const named = bounded.flatMap(([name, below]) => [
    `${path}.${name}`,
    ...propertyPaths(below, `${path}.${name}`),
  ]);
  const free = [schema.items, schema.additionalProperties].flatMap((below) =>
    below === undefined ? [] : propertyPaths(below, `${path}.*`),
  );
  return [...named, ...free];
}

/** The same paths, of those properties that `example` fills. */
export function filledPaths(schema: Schema, example: unknown, path = ""): readonly string[] {
  return children(schema, example).flatMap(({ step, schema: below, value }) => {
    const named = typeof step === "string" && schema.properties?.[step] !== undefined;
    const at = `${path}.${named ? step : "*"}`;
    return [...(named ? [at] : []), ...filledPaths(below, value, at)];
  });
}

/** A copy of `object` with `value` at `path`. */
export function withValue(object: unknown, path: readonly Step[], value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) {
    return value;
  }
  if (Array.isArray(object)) {
    return object.map((item: unknown, at) => (at === step ? withValue(item, rest, value) : item));
  }
  const fields = object as Readonly<Record<string, unknown>>;
  return { ...fields, [step]: withValue(fields[step], rest, value) };
}

interface Child {
  readonly step: Step;
  readonly schema: Schema;
  readonly value: unknown;
}

function children(schema: Schema, example: unknown): readonly Child[] {
  if (Array.isArray(example)) {
    const below = schema.items;
    return below === undefined
      ? []
      : example.map((value: unknown, step) => ({ step, schema: below, value }));
  }
  if (typeof example !== "object" || example === null) {
    return [];
  }
  return Object.entries(example).flatMap(([step, value]) => {
    const below = schema.properties?.[step] ?? schema.additionalProperties;
    return below === undefined ? [] : [{ step, schema: below, value: value as unknown }];
  });
}

type Bound = Omit<BoundRow, "path">;

const OF_ANOTHER_TYPE: Readonly<Record<string, unknown>> = {
  string: {},
  integer: "one",
  boolean: "maybe",
  object: "text",
  array: "text",
};

function typeRows(schema: Schema): readonly Bound[] {
  const value = OF_ANOTHER_TYPE[schema.type ?? ""];
  return value === undefined ? [] : [{ keyword: "type", value, accepted: false }];
}

function textRows(schema: Schema, example: unknown): readonly Bound[] {
  const { maxLength, pattern } = schema;
  const longest = (length: number): string => String(example).padEnd(length, "a");
  return [
    ...(schema.enum ?? []).map((value) => ({ keyword: "enum", value, accepted: true })),
    ...(schema.enum === undefined ? [] : [refused("enum", "no-such-value")]),
    ...(pattern === undefined ? [] : [refused("pattern", "!")]),
    ...(schema.minLength === undefined ? [] : [refused("minLength", "")]),
    ...(maxLength === undefined
      ? []
      : [
          { keyword: "maxLength", value: longest(maxLength), accepted: true },
          refused("maxLength", longest(maxLength + 1)),
        ]),
  ];
}

function rangeRows({ minimum, maximum }: Schema): readonly Bound[] {
  return [
    ...(minimum === undefined
      ? []
      : [{ keyword: "minimum", value: minimum, accepted: true }, refused("minimum", minimum - 1)]),
    ...(maximum === undefined
      ? []
      : [{ keyword: "maximum", value: maximum, accepted: true }, refused("maximum", maximum + 1)]),
  ];
}

function countRows(schema: Schema, example: unknown): readonly Bound[] {
  const { maxItems, maxProperties } = schema;
  return [
    ...(schema.minItems === undefined ? [] : [refused("minItems", [])]),
    ...(maxItems === undefined
      ? []
      : [
          { keyword: "maxItems", value: items(example, maxItems), accepted: true },
          refused("maxItems", items(example, maxItems + 1)),
        ]),
    ...(maxProperties === undefined
      ? []
      : [
          { keyword: "maxProperties", value: entries(example, maxProperties), accepted: true },
          refused("maxProperties", entries(example, maxProperties + 1)),
        ]),
  ];
}

function refused(keyword: string, value: unknown): Bound {
  return { keyword, value, accepted: false };
}

/** `count` items like the first one; where they have names, these differ. */
function items(example: unknown, count: number): readonly unknown[] {
  const [first] = example as readonly unknown[];
  const isNamed = typeof first === "object" && first !== null && "name" in first;
  return Array.from({ length: count }, (_, at) =>
    isNamed && count > 1
      ? { ...first, name: `name-${at}`, ...("mountPath" in first ? { mountPath: `/${at}` } : {}) }
      : first,
  );
}

function entries(example: unknown, count: number): Readonly<Record<string, unknown>> {
  const [first] = Object.values(example as Readonly<Record<string, unknown>>);
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`key-${at}`, first]));
}
