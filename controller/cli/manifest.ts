/** YAML text → InferenceServices, with file, line and column of everything that is wrong. Pure. */
import { LineCounter, isMap, isScalar, parseAllDocuments, type Document } from "yaml";
import type { InferenceService } from "../api/inferenceservice.gen.ts";
import { isOfKServe } from "../api/kserve.ts";
import type { ServingRuntime } from "../api/servingruntime.gen.ts";
import type { KubeObject } from "../cluster.ts";
import type { ServiceAccount } from "../desired/account-secrets.ts";
import { metadataFaults } from "./metadata-faults.ts";
import { dotted, schemaFaults, type Fault, type FieldPath, type Schema } from "./schema.ts";

/** An InferenceService and the way back to where it stands. */
export interface Manifest {
  readonly isvc: InferenceService;
  /** `file.yaml:12:5` of a field, or of the nearest one around it that is there. */
  where(path: FieldPath, ofKey?: boolean): string;
}

export interface Manifests {
  readonly manifests: readonly Manifest[];
  /** Runtimes that stand beside them. */
  readonly runtimes: readonly ServingRuntime[];
  /** Service accounts and Secrets that stand beside them. */
  readonly accounts: readonly (KubeObject & ServiceAccount)[];
  /** Things to know that stop nothing. */
  readonly notices: readonly string[];
  /** `file:line:column: what is wrong and what to do`. */
  readonly faults: readonly string[];
}

const GROUP = "pilotlight.dev";
const VERSION = "v1beta1";
const KSERVE = "serving.kserve.io/v1beta1";

/** Reads all documents of one file. `schema` is the InferenceService's in crds/. */
export function parseManifests(file: string, text: string, schema: Schema): Manifests {
  const lines = new LineCounter();
  const manifests: Manifest[] = [];
  const runtimes: ServingRuntime[] = [];
  const accounts: (KubeObject & ServiceAccount)[] = [];
  const idle: string[] = [];
  const notices: string[] = [];
  const faults: string[] = [];
  const documents = parseAllDocuments(text, { lineCounter: lines });
  for (const document of Array.isArray(documents) ? documents : []) {
    const at = (offset: number): string => {
      const { line, col } = lines.linePos(offset);
      return `${file}:${line}:${col}`;
    };
    const [error] = document.errors;
    if (error !== undefined) {
      faults.push(`${at(error.pos[0])}: not valid YAML: ${firstLine(error.message)}`);
      continue;
    }
    const where = (path: FieldPath, ofKey = false): string =>
      at(offsetOf(document, path, ofKey) ?? document.range[0]);
    readDocument(document, { schema, where, manifests, runtimes, accounts, idle, notices, faults });
  }
  if ([manifests, runtimes, accounts, faults].every(({ length }) => length === 0)) {
    faults.push(`${file}: no InferenceService in it`);
  }
  const accountsCount = manifests.some(({ isvc }) => isOfKServe(isvc));
  return {
    manifests,
    runtimes,
    accounts,
    notices: accountsCount ? notices : [...notices, ...idle],
    faults,
  };
}

interface Reading {
  readonly schema: Schema;
  readonly where: Manifest["where"];
  readonly manifests: Manifest[];
  readonly runtimes: ServingRuntime[];
  readonly accounts: (KubeObject & ServiceAccount)[];
  /** Of these, what to say where they don't count. */
  readonly idle: string[];
  readonly notices: string[];
  readonly faults: string[];
}

function readDocument(document: Document.Parsed, reading: Reading): void {
  const value: unknown = document.toJS();
  if (value === null || value === undefined) {
    return;
  }
  // What `kubectl get -o yaml` gives of several objects.
  if (typeof value === "object" && "kind" in value && value.kind === "List" && "items" in value) {
    for (const [index, item] of Array.isArray(value.items) ? value.items.entries() : []) {
      const where: Manifest["where"] = (path, ofKey) =>
        reading.where(["items", index, ...path], ofKey);
      readObject(item, { ...reading, where });
    }
    return;
  }
  readObject(value, reading);
}

function readObject(value: unknown, reading: Reading): void {
  const { schema, where, manifests, notices, faults } = reading;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    faults.push(`${where([])}: a manifest is a mapping with apiVersion, kind, metadata and spec`);
    return;
  }
  const { apiVersion, kind } = value as Readonly<Record<string, unknown>>;
  if (typeof apiVersion !== "string" || typeof kind !== "string") {
    faults.push(`${where([])}: apiVersion and kind must say what this is`);
    return;
  }
  if (isRuntime(value, kind)) {
    reading.runtimes.push(value);
    return;
  }
  if (isAccountPart(value, kind)) {
    reading.accounts.push(value);
    reading.idle.push(forCluster(where, kind));
    return;
  }
  if (kind !== "InferenceService") {
    notices.push(forCluster(where, kind));
    return;
  }
  if (apiVersion === KSERVE) {
    const point =
      "read by the same schema; minReplicas is 1 there where nothing is said, and 0 in pilotlight.dev";
    notices.push(`${where(["apiVersion"])}: ${KSERVE} is ${point}`);
  } else if (apiVersion !== `${GROUP}/${VERSION}`) {
    faults.push(
      `${where(["apiVersion"])}: apiVersion must be ${GROUP}/${VERSION}, not ${apiVersion}`,
    );
    return;
  }
  const wrong = serviceFaults(schema, value);
  faults.push(...wrong.map((fault) => `${where(fault.path, fault.ofKey)}: ${fault.message}`));
  if (wrong.length === 0) {
    manifests.push({ isvc: value as InferenceService, where });
  }
}

function forCluster(where: Manifest["where"], kind: string): string {
  return `${where([])}: ${kind} is for a cluster; it is passed over here`;
}

/** What a cluster would refuse of an InferenceService before a controller sees it. */
export function serviceFaults(schema: Schema, value: object): readonly Fault[] {
  const metadata: unknown = "metadata" in value ? value.metadata : undefined;
  return hasName(metadata)
    ? [
        ...metadataFaults(metadata as Readonly<Record<string, unknown>>),
        ...schemaFaults(schema, value),
      ]
    : [{ path: ["metadata"], ofKey: false, message: "metadata.name is missing" }];
}

/** One that can be used; how it is to be is its CRD's to say. */
export function isRuntime(value: object, kind: string): value is ServingRuntime {
  const spec: unknown = "spec" in value ? value.spec : undefined;
  const named = "metadata" in value && hasName(value.metadata);
  return (
    (kind === "ServingRuntime" || kind === "ClusterServingRuntime") &&
    named &&
    typeof spec === "object" &&
    spec !== null &&
    "containers" in spec &&
    Array.isArray(spec.containers)
  );
}

/** Where KServe's users have the keys of a model's store. */
function isAccountPart(value: object, kind: string): value is KubeObject & ServiceAccount {
  return (
    (kind === "ServiceAccount" || kind === "Secret") &&
    "metadata" in value &&
    hasName(value.metadata) &&
    (!("secrets" in value) || Array.isArray(value.secrets))
  );
}

function hasName(metadata: unknown): boolean {
  return (
    typeof metadata === "object" &&
    metadata !== null &&
    "name" in metadata &&
    typeof metadata.name === "string" &&
    (!("namespace" in metadata) || typeof metadata.namespace === "string")
  );
}

/** Offset of a field's value or name in the text; of the innermost part of its path that the text has. */
function offsetOf(document: Document.Parsed, path: FieldPath, ofKey: boolean): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const parent =
      length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    if (!isMap(parent)) {
      const node = document.getIn(path.slice(0, length), true);
      if (hasRange(node)) {
        return node.range[0];
      }
      continue;
    }
    const pair = parent.items.find(
      ({ key }) => isScalar(key) && String(key.value) === String(path[length - 1]),
    );
    const node = ofKey || !isScalar(pair?.value) ? pair?.key : pair.value;
    if (hasRange(node)) {
      return node.range[0];
    }
  }
  return hasRange(document.contents) ? document.contents.range[0] : undefined;
}

function hasRange(node: unknown): node is { range: [number, number, number] } {
  return typeof node === "object" && node !== null && "range" in node && Array.isArray(node.range);
}

function firstLine(text: string): string {
  return (text.split("\n")[0] ?? text).replace(/ at line \d+, column \d+:?$/, "");
}

/** Faults that need more than the schema, placed. */
export function placed(manifest: Manifest, path: FieldPath, message: string): string {
  return `${manifest.where(path)}: ${message.startsWith("spec.") ? message : `${dotted(path)}: ${message}`}`;
}
