import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { ensureModuleSource } from "../../go/build.ts";
import {
  CONTOUR_VERSION,
  isBinaryName,
  NET_GATEWAY_API_VERSION,
  SERVING_VERSION,
} from "../../go/modules.ts";
import { imageOf } from "./images.ts";
import { DOMAIN } from "./network.ts";
import { ingressObjects } from "./ingress-objects.ts";
import { dnsObjects } from "./dns-objects.ts";

/** An object as YAML gives it; only what is looked at here has a type. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** What is applied, in order: a later stage needs the kinds and names of an earlier one. */
export interface Stages {
  readonly definitions: readonly Manifest[];
  readonly objects: readonly Manifest[];
}

/** Kinds that are of no use on one node without a metrics server. */
const LEFT_OUT = new Set(["HorizontalPodAutoscaler", "PodDisruptionBudget"]);
const DEFINITION_KINDS = new Set(["Namespace", "CustomResourceDefinition"]);
const IMAGE_SCHEME = "ko://knative.dev/serving/cmd/";
const POD_RESOURCES = { requests: { cpu: "10m", memory: "40Mi" } };

/** Everything that makes a bare API server a cluster with DNS, Knative and a Gateway. */
export async function readStages(): Promise<Stages> {
  const all = [
    ...(await knativeObjects()),
    ...(await contourDefinitions()),
    ...ingressObjects(),
    ...dnsObjects(),
  ];
  return {
    definitions: all.filter(({ kind }) => DEFINITION_KINDS.has(kind)),
    objects: all.filter(({ kind }) => !DEFINITION_KINDS.has(kind)),
  };
}

/**
 * Knative's YAML as its module carries it. What is a symbolic link there is missing from a
 * module's zip and comes from the modules that the links point into.
 */
async function knativeObjects(): Promise<Manifest[]> {
  const serving = await ensureModuleSource("knative.dev/serving", SERVING_VERSION);
  const goMod = await readFile(join(serving, "go.mod"), "utf8");
  const networking = await sibling(goMod, "knative.dev/networking");
  const caching = await sibling(goMod, "knative.dev/caching");
  const gatewayApi = await ensureModuleSource(
    "knative.dev/net-gateway-api",
    NET_GATEWAY_API_VERSION,
  );
  const linked = [
    ...["certificate", "config-network", "domain-claim", "ingress", "serverlessservice"].map(
      (name) => join(networking, "config", `${name}.yaml`),
    ),
    join(caching, "config", "image.yaml"),
    join(gatewayApi, "config", "200-clusterrole.yaml"),
  ];
  const files = [...(await yamlFilesBelow(join(serving, "config", "core"))), ...linked];
  const manifests = (await Promise.all(files.map(readManifests))).flat();
  return manifests.filter(({ kind }) => !LEFT_OUT.has(kind)).map(adapt);
}

async function sibling(goMod: string, module: string): Promise<string> {
  const version = new RegExp(`^\\s*${module.replaceAll(".", "\\.")} (\\S+)`, "m").exec(goMod)?.[1];
  if (version === undefined) {
    throw new Error(`go.mod of knative.dev/serving ${SERVING_VERSION} does not name ${module}`);
  }
  return ensureModuleSource(module, version);
}

async function contourDefinitions(): Promise<Manifest[]> {
  const contour = await ensureModuleSource("github.com/projectcontour/contour", CONTOUR_VERSION);
  const examples = join(contour, "examples");
  return [
    ...(await readManifests(join(examples, "gateway", "00-crds.yaml"))),
    ...(await readManifests(join(examples, "contour", "01-crds.yaml"))),
  ];
}

async function yamlFilesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true });
  return entries
    .filter((name) => name.endsWith(".yaml"))
    .sort()
    .map((name) => join(folder, name));
}

/** The objects of a YAML file; empty documents, as comments leave them, are none. */
export async function readManifests(path: string): Promise<Manifest[]> {
  return parseAllDocuments(await readFile(path, "utf8"))
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

/** Knative's object as a small machine without a registry can run it. */
export function adapt(manifest: Manifest): Manifest {
  const local = replaceImages(manifest) as Manifest;
  if (local.kind === "Deployment") {
    return withSmallRequests(local);
  }
  const data = local.kind === "ConfigMap" ? CONFIG[local.metadata.name] : undefined;
  return data === undefined ? local : { ...local, data: { ...(local.data as object), ...data } };
}

/** What differs from Knative's defaults. */
const CONFIG: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "config-network": { "ingress-class": "gateway-api.ingress.networking.knative.dev" },
  "config-domain": { [DOMAIN]: "" },
};

function replaceImages(value: unknown): unknown {
  if (typeof value === "string" && value.startsWith(IMAGE_SCHEME)) {
    const name = `knative-${value.slice(IMAGE_SCHEME.length)}`;
    if (!isBinaryName(name)) {
      throw new Error(`Knative ${SERVING_VERSION} wants an image that is not built: ${value}`);
    }
    return imageOf(name);
  }
  if (Array.isArray(value)) {
    return value.map(replaceImages);
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, field]) => [key, replaceImages(field)]),
    );
  }
  return value;
}

interface Deployment {
  readonly spec: {
    readonly template: { readonly spec: { readonly containers: readonly object[] } };
  };
}

function withSmallRequests(manifest: Manifest): Manifest {
  const { spec } = manifest as Manifest & Deployment;
  const pod = spec.template.spec;
  const containers = pod.containers.map((one) => ({ ...one, resources: POD_RESOURCES }));
  const template = { ...spec.template, spec: { ...pod, containers } };
  return { ...manifest, spec: { ...spec, template } };
}
