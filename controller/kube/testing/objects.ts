import type { Kind, KubeObject, ObjectMeta } from "../../cluster.ts";

export const WIDGET: Kind = {
  apiVersion: "test.pilotlight.dev/v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
};

/** A Widget in namespace `default`; its uid is `uid-<name>` unless told. */
export function widget(name: string, version: number, meta: Partial<ObjectMeta> = {}): KubeObject {
  return {
    apiVersion: WIDGET.apiVersion,
    kind: WIDGET.kind,
    metadata: {
      namespace: "default",
      uid: `uid-${name}`,
      ...meta,
      name,
      resourceVersion: String(version),
    },
  };
}

export function listBody(version: number, items: readonly KubeObject[], next?: string): object {
  const metadata = { resourceVersion: String(version), ...(next && { continue: next }) };
  return { apiVersion: WIDGET.apiVersion, kind: "WidgetList", metadata, items };
}
