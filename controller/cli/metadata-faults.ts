/**
 * What is wrong with an InferenceService's metadata: the definition's own rules of the name, and
 * what the API server wants of every object. Pure.
 */
import type { Fault, FieldPath } from "./schema.ts";

/** As long as leaves room for what is made of it (crds/inferenceservice.yaml). */
const NAME_LENGTH_MAX = 46;

type Metadata = Readonly<Record<string, unknown>>;

/** All faults of an object's metadata. */
export function metadataFaults(metadata: Metadata): readonly Fault[] {
  const { name } = metadata;
  return [
    ...(typeof name === "string" ? nameFaults(name) : []).map((found) => ({
      ...found,
      ofKey: false,
    })),
    ...["labels", "annotations"].flatMap((field) => textFaults(field, metadata[field])),
  ];
}

/** What is wrong with an InferenceService's name. */
export function nameFaults(name: string): readonly Pick<Fault, "path" | "message">[] {
  const path: FieldPath = ["metadata", "name"];
  if (!/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(name)) {
    const message = `metadata.name "${name}" must start with a letter and consist of lower-case letters, digits and "-"`;
    return [{ path, message }];
  }
  const message = `metadata.name has ${name.length} characters; at most ${NAME_LENGTH_MAX}`;
  return name.length > NAME_LENGTH_MAX ? [{ path, message }] : [];
}

/** A mapping of texts: YAML makes numbers and booleans of what has no quotes. */
function textFaults(field: string, value: unknown): readonly Fault[] {
  const path: FieldPath = ["metadata", field];
  if (value === undefined || value === null) {
    return [];
  }
  if (typeof value !== "object" || Array.isArray(value)) {
    return [{ path, ofKey: false, message: `metadata.${field} must be a mapping` }];
  }
  return Object.entries(value)
    .filter(([, text]) => typeof text !== "string")
    .map(([key, text]) => ({
      path: [...path, key],
      ofKey: false,
      message: `metadata.${field}.${key} must be a string, not ${JSON.stringify(text)}: put it in quotes`,
    }));
}
