/** Checks a value against the part of OpenAPI's schemas that crds/ uses. Pure. */
import { lookup } from "../lookup.ts";
import { nearest } from "./nearest.ts";

/**
 * An openAPIV3Schema, or a part of one. CEL rules are not read: plan.ts says the few that matter
 * here.
 */
export interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
  readonly "x-kubernetes-int-or-string"?: boolean;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
}

export type FieldPath = readonly (string | number)[];

export interface Fault {
  /** The field that is wrong; of a missing one, the object that lacks it. */
  readonly path: FieldPath;
  /** Whether the name of the field is what is wrong, rather than its value. */
  readonly ofKey: boolean;
  readonly message: string;
}

/** All faults of `value`, in the order of its fields. */
export function schemaFaults(schema: Schema, value: unknown, path: FieldPath = []): Fault[] {
  if (schema["x-kubernetes-int-or-string"] === true) {
    return isQuantity(schema, value)
      ? []
      : [
          fault(
            path,
            `${dotted(path)} must be a quantity such as 2 or "500m", not ${shown(value)}`,
          ),
        ];
  }
  if (!isOfType(schema.type, value)) {
    const article = /^[aeiou]/.test(schema.type ?? "") ? "an" : "a";
    const wanted = NAMES[schema.type ?? ""] ?? `${article} ${schema.type ?? "value"}`;
    return [fault(path, `${dotted(path)} must be ${wanted}, not ${shown(value)}`)];
  }
  if (Array.isArray(value)) {
    return arrayFaults(schema, value, path);
  }
  if (typeof value === "object" && value !== null) {
    return objectFaults(schema, value as Readonly<Record<string, unknown>>, path);
  }
  return scalarFault(schema, value, path);
}

/** As the API server has it: the pattern is for texts, the bound for numbers. */
function isQuantity({ pattern, minimum = -Infinity }: Schema, value: unknown): boolean {
  return typeof value === "string"
    ? pattern === undefined || new RegExp(pattern, "u").test(value)
    : Number.isInteger(value) && Number(value) >= minimum;
}

/** `spec.predictor.model.env[2].name`. */
export function dotted(path: FieldPath): string {
  return path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`))
    .join("")
    .slice(1);
}

const NAMES: Readonly<Record<string, string>> = {
  integer: "a whole number",
  object: "a mapping",
  array: "a list",
  boolean: "true or false",
};

function isOfType(type: string | undefined, value: unknown): boolean {
  switch (type) {
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "array":
      return Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    case "string":
    case "number":
    case "boolean":
      return typeof value === type;
    default:
      return true;
  }
}

function arrayFaults(schema: Schema, value: readonly unknown[], path: FieldPath): Fault[] {
  if (schema.maxItems !== undefined && value.length > schema.maxItems) {
    return [fault(path, `${dotted(path)} has ${value.length} entries; at most ${schema.maxItems}`)];
  }
  if (value.length < (schema.minItems ?? 0)) {
    return [fault(path, `${dotted(path)} must not be empty`)];
  }
  const { items } = schema;
  return items === undefined
    ? []
    : value.flatMap((item, index) => schemaFaults(items, item, [...path, index]));
}

function objectFaults(
  schema: Schema,
  value: Readonly<Record<string, unknown>>,
  path: FieldPath,
): Fault[] {
  const faults: Fault[] = [];
  const count = Object.keys(value).length;
  if (count < (schema.minProperties ?? 0)) {
    faults.push(fault(path, `${dotted(path)} must not be empty`));
  }
  if (count > (schema.maxProperties ?? Infinity)) {
    faults.push(
      fault(path, `${dotted(path)} has ${count} entries; at most ${schema.maxProperties}`),
    );
  }
  for (const name of schema.required ?? []) {
    if (!Object.hasOwn(value, name)) {
      faults.push(fault(path, `${dotted([...path, name])} is missing`));
    }
  }
  for (const [name, field] of Object.entries(value)) {
    const here = [...path, name];
    const known = lookup(schema.properties ?? {}, name);
    if (known !== undefined) {
      faults.push(...schemaFaults(known, field, here));
    } else if (typeof schema.additionalProperties === "object") {
      faults.push(...schemaFaults(schema.additionalProperties, field, here));
    } else if (schema.properties !== undefined && !isOpen(schema)) {
      faults.push({
        path: here,
        ofKey: true,
        message: unknownField(schema.properties, here, name),
      });
    }
  }
  return faults;
}

function isOpen(schema: Schema): boolean {
  return (
    schema["x-kubernetes-preserve-unknown-fields"] === true || schema.additionalProperties === true
  );
}

function unknownField(
  known: Readonly<Record<string, Schema>>,
  path: FieldPath,
  name: string,
): string {
  const meant = nearest(name, Object.keys(known));
  const advice =
    meant === undefined
      ? `known here: ${Object.keys(known).sort().join(", ")}`
      : `did you mean ${meant}?`;
  return `${dotted(path)} is no known field; ${advice}`;
}

function scalarFault(schema: Schema, value: unknown, path: FieldPath): Fault[] {
  const name = dotted(path);
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    return [fault(path, `${name} must be one of ${schema.enum.join(", ")}, not ${shown(value)}`)];
  }
  if (typeof value === "number") {
    const { minimum = -Infinity, maximum = Infinity } = schema;
    return value >= minimum && value <= maximum
      ? []
      : [fault(path, `${name} must be from ${minimum} to ${maximum}, not ${value}`)];
  }
  if (typeof value !== "string") {
    return [];
  }
  if (value.length < (schema.minLength ?? 0)) {
    return [fault(path, `${name} must not be empty`)];
  }
  if (value.length > (schema.maxLength ?? Infinity)) {
    return [fault(path, `${name} has ${value.length} characters; at most ${schema.maxLength}`)];
  }
  return schema.pattern === undefined || new RegExp(schema.pattern, "u").test(value)
    ? []
    : [fault(path, `${name} must match ${schema.pattern}, which ${shown(value)} does not`)];
}

function fault(path: FieldPath, message: string): Fault {
  return { path, ofKey: false, message };
}

/** A value in a sentence: short, and recognisable as what stands in the file. */
function shown(value: unknown): string {
  if (value === null) {
    return "empty";
  }
  const text = JSON.stringify(value) ?? typeof value;
  return text.length <= 40 ? text : `${text.slice(0, 37)}...`;
}
