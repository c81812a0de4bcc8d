/** What a live cluster says before anything is applied. It is asked, and nothing in it changes. */
import type { AccountReader } from "../../account-secrets.ts";
import type { InferenceService } from "../../api/inferenceservice.gen.ts";
import {
  CLUSTER_SERVING_RUNTIME,
  CONFIG_MAP,
  INFERENCE_SERVICE,
  KNATIVE_SERVICE,
  NODE,
  SECRET,
  SERVICE_ACCOUNT,
  SERVING_RUNTIME,
} from "../../api/kinds.ts";
import type { ServingRuntime } from "../../api/servingruntime.gen.ts";
import type { Kind, KubeObject } from "../../cluster.ts";
import type { ServiceAccount } from "../../desired/account-secrets.ts";
import { clusterFacts, type ConfigMapData, KNATIVE_CONFIG_MAPS } from "../../desired/facts.ts";
import type { Node } from "../../desired/nodes.ts";
import { ApiError, isNotFound, isStatus } from "../../kube/errors.ts";
import { objectPath } from "../../kube/paths.ts";
import { readMetadata } from "../../kube/read.ts";
import type { KnownCluster } from "../captured.ts";
import type { KubeAccess } from "../kube.ts";
import type { Finding } from "./verdict.ts";

/** Facts as the controller would have them. What this user may not read is not known. */
export async function askCluster(
  kube: KubeAccess,
  knativeNamespace: string,
): Promise<KnownCluster> {
  const maps = await Promise.all(
    KNATIVE_CONFIG_MAPS.map(async (name) => {
      const found = await permitted(() =>
        kube.get<KubeObject & { data?: ConfigMapData }>(CONFIG_MAP, knativeNamespace, name),
      );
      return [name, found && (found.data ?? {})] as const;
    }),
  );
  const nodes = await permitted(() => kube.list<Node>(NODE));
  const facts = clusterFacts(knativeNamespace, (name) => new Map(maps).get(name));
  return { facts, ...(nodes === undefined ? {} : { nodes }) };
}

/** ServingRuntimes of the namespace and of the cluster, as far as they exist and may be read. */
export async function askRuntimes(
  kube: KubeAccess,
  namespace: string,
): Promise<readonly ServingRuntime[]> {
  const found = await Promise.all([
    permitted(() => kube.list<ServingRuntime>(SERVING_RUNTIME, namespace)),
    permitted(() => kube.list<ServingRuntime>(CLUSTER_SERVING_RUNTIME)),
  ]);
  return found.flatMap((list) => list ?? []);
}

/**
 * Service accounts and Secrets of the cluster. What this user may not see says nothing of what the
 * controller may: it counts as absent.
 */
export function accountsOf(kube: KubeAccess): AccountReader {
  return {
    account: (...where) =>
      permitted(() => kube.get<KubeObject & ServiceAccount>(SERVICE_ACCOUNT, ...where)),
    secretMetadata: (...where) => permitted(() => readMetadata(kube.http, SECRET, ...where)),
  };
}

/** What is not installed, for all manifests alike. */
export async function missingKinds(kube: KubeAccess): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  if (!(await serves(kube, KNATIVE_SERVICE))) {
    findings.push({
      severity: "obstacle",
      reason: "KnativeNotInstalled",
      message: "this cluster has no Knative Serving: knative.dev/docs/install",
    });
  }
  if (!(await serves(kube, INFERENCE_SERVICE))) {
    findings.push({
      severity: "obstacle",
      reason: "PilotlightNotInstalled",
      message:
        "this cluster has no InferenceServices of pilotlight.dev: install the chart (docs/install.md)",
    });
  }
  return findings;
}

async function serves(kube: KubeAccess, kind: Kind): Promise<boolean> {
  try {
    const path = `/apis/${kind.apiVersion}`;
    const { resources } = await kube.http.json<{ resources: readonly { name: string }[] }>({
      method: "GET",
      path,
    });
    return resources.some(({ name }) => name === kind.plural);
  } catch (error) {
    if (isNotFound(error)) {
      return false;
    }
    throw error;
  }
}

/**
 * What the API server itself says, by a dry run of the apply: the rules of the definition, quotas
 * and policies included.
 */
export async function dryRun(
  kube: KubeAccess,
  isvc: InferenceService,
  namespace: string,
): Promise<readonly Finding[]> {
  const kind = {
    ...INFERENCE_SERVICE,
    apiVersion: isvc.apiVersion ?? INFERENCE_SERVICE.apiVersion,
  };
  const { status: _status, ...spec } = isvc;
  const {
    managedFields: _fields,
    resourceVersion: _version,
    uid: _uid,
    ...metadata
  } = isvc.metadata;
  try {
    await kube.http.json({
      method: "PATCH",
      path: objectPath(kind, namespace, isvc.metadata.name),
      query: {
        dryRun: "All",
        fieldManager: "pilotlight-check",
        force: true,
        fieldValidation: "Strict",
      },
      contentType: "application/apply-patch+yaml",
      body: { ...spec, metadata: { ...metadata, namespace } },
    });
    return [];
  } catch (error) {
    if (!(error instanceof ApiError)) {
      throw error;
    }
    return [refusedApply(error, namespace)];
  }
}

function refusedApply(error: ApiError, namespace: string): Finding {
  if (error.status === 403 && !/denied the request|quota/i.test(error.message)) {
    const message = `the API server was not asked for its rules, since you may not apply there: ${words(error)}`;
    return { severity: "warning", reason: "NotValidated", message };
  }
  const absent = error.status === 404 && error.details?.kind === "namespaces";
  return absent
    ? {
        severity: "obstacle",
        reason: "NamespaceNotFound",
        message: `there is no namespace ${namespace}: kubectl create namespace ${namespace}`,
      }
    : { severity: "obstacle", reason: "ApiServerRefuses", message: words(error) };
}

/** The server's sentence, without what was called. */
function words({ message }: ApiError): string {
  return message.replace(/^[A-Z]+ \S+: \d+ \w*: /, "");
}

/** Undefined for what this user may not see, or what is not served. */
async function permitted<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (isStatus(error, 403) || isNotFound(error)) {
      return undefined;
    }
    throw error;
  }
}
