/** A definition of ours for KServe's group: the same schema under the name that its clients know. */
import { parse, stringify } from "yaml";
import { KSERVE_GROUP } from "../../controller/api/kserve.ts";

interface Definition {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string; readonly categories?: readonly string[] };
  };
}

/** The text of a CustomResourceDefinition of pilotlight.dev → the one of serving.kserve.io. */
export function kserveDefinition(text: string): string {
  const crd = parse(text, { maxAliasCount: -1 }) as Definition;
  const { plural } = crd.spec.names;
  return stringify(
    {
      ...crd,
      metadata: { ...crd.metadata, name: `${plural}.${KSERVE_GROUP}` },
      spec: {
        ...crd.spec,
        group: KSERVE_GROUP,
        names: { ...crd.spec.names, categories: [...(crd.spec.names.categories ?? []), "kserve"] },
      },
    },
    { aliasDuplicateObjects: false, lineWidth: 0 },
  ).replaceAll("description: pilotlight.dev/", `description: ${KSERVE_GROUP}/`);
}
