/** PURE: who wrote a spec, as the API server keeps it in managedFields. */
import type { ObjectMeta } from "../cluster.ts";

/** One entry of managedFields (meta/v1 ManagedFieldsEntry), as far as it is read here. */
interface ManagedFields {
  readonly manager?: string;
  /** RFC 3339. */
  readonly time?: string;
  readonly subresource?: string;
  readonly fieldsV1?: Readonly<Record<string, unknown>>;
}

/** Who wrote the spec last. */
export function author(metadata: ObjectMeta): ManagedFields | undefined {
  return specAuthors(metadata).toSorted((a, b) => ((a.time ?? "") < (b.time ?? "") ? 1 : -1))[0];
}

/** `metadata` with those of its managedFields that `author` reads, without what they list. */
export function withAuthorsOnly<T extends ObjectMeta>(metadata: T): T {
  const managedFields = specAuthors(metadata).map(({ manager, time }) => ({
    ...(manager === undefined ? {} : { manager }),
    ...(time === undefined ? {} : { time }),
    fieldsV1: { "f:spec": {} },
  }));
  return { ...metadata, managedFields };
}

function specAuthors({ managedFields }: ObjectMeta): readonly ManagedFields[] {
  return ((managedFields ?? []) as readonly ManagedFields[]).filter(
    ({ fieldsV1, subresource }) => subresource === undefined && fieldsV1?.["f:spec"] !== undefined,
  );
}
