/**
 * What a cluster allows, from files: what `kubectl get configmaps -n knative-serving -o yaml` (and
 * `kubectl get nodes -o yaml`) printed, as one file or as a folder of them.
 */
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { parseAllDocuments } from "yaml";
import type { KubeObject } from "../cluster.ts";
import {
  clusterFacts,
  type ClusterFacts,
  type ConfigMapData,
  KNATIVE_CONFIG_MAPS,
} from "../desired/facts.ts";
import type { Node } from "../desired/nodes.ts";
import { CliError, EXIT } from "./command.ts";
import { readInput } from "./input.ts";

type Captured = KubeObject & { readonly data?: ConfigMapData };

export interface KnownCluster {
  readonly facts: ClusterFacts;
  /** Undefined when none were captured, or may be seen. */
  readonly nodes?: readonly Node[];
}

/**
 * What is known from `paths`; without any, nothing is.
 * @throws CliError 66 when a path cannot be read, 65 when nothing in it is Knative's configuration.
 */
export function readCaptured(paths: readonly string[], knativeNamespace: string): KnownCluster {
  const objects = paths.flatMap(filesOf).flatMap(objectsOf);
  const maps = objects.filter(
    ({ kind, metadata }) => kind === "ConfigMap" && KNATIVE_CONFIG_MAPS.includes(metadata.name),
  );
  if (paths.length > 0 && maps.length === 0) {
    const advice = `save it with kubectl get configmaps -n ${knativeNamespace} -o yaml`;
    throw new CliError(
      EXIT.data,
      `no ConfigMap of Knative (${KNATIVE_CONFIG_MAPS.join(", ")}) in ${paths.join(", ")}: ${advice}`,
    );
  }
  const find = (name: string): ConfigMapData | undefined => {
    const found = maps.find(({ metadata }) => metadata.name === name);
    return found && (found.data ?? {});
  };
  const nodes = objects.filter(({ kind }) => kind === "Node");
  return {
    facts: clusterFacts(maps[0]?.metadata.namespace ?? knativeNamespace, find),
    ...(nodes.length === 0 ? {} : { nodes }),
  };
}

const CAPTURED = /\.(ya?ml|json)$/;

function filesOf(place: string): readonly string[] {
  if (place === "-") {
    return [place];
  }
  const found = statSync(place, { throwIfNoEntry: false });
  if (found === undefined) {
    throw new CliError(EXIT.noInput, `cannot read ${place}: no such file or folder (--config)`);
  }
  return found.isDirectory()
    ? readdirSync(place)
        .filter((name) => CAPTURED.test(name))
        .toSorted()
        .map((name) => path.join(place, name))
    : [place];
}

function objectsOf(file: string): readonly Captured[] {
  const documents = parseAllDocuments(readInput(file));
  return (Array.isArray(documents) ? documents : []).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) {
      throw new CliError(EXIT.data, `${file}: not valid YAML: ${error.message.split("\n")[0]}`);
    }
    const value: unknown = document.toJS();
    const items =
      typeof value === "object" && value !== null && "items" in value ? value.items : [value];
    return (Array.isArray(items) ? items : []).filter(isObject);
  });
}

function isObject(value: unknown): value is Captured {
  return (
    typeof value === "object" &&
    value !== null &&
    "kind" in value &&
    "metadata" in value &&
    typeof value.metadata === "object" &&
    value.metadata !== null &&
    "name" in value.metadata
  );
}
