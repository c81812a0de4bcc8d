/**
 * What the tests of a tier start, built or installed before the first of them: a build takes
 * minutes on a fresh machine, and would count as a test's own time, which is limited.
 */
import { ensureChromium } from "../browser/chromium.ts";
import { ensurePackages } from "../cluster/packages.ts";
import { ensureBinaries, ensureModuleSource } from "../go/build.ts";
import { SERVING_VERSION } from "../go/modules.ts";
import type { BinaryName } from "../go/modules.ts";
import { AZURITE, ensureNpmTool } from "../npm/tool.ts";

/** Stores that models come from. Without Go, the tests of those that Go builds skip themselves. */
export async function prepareUnit({ hasGo }: { readonly hasGo: boolean }): Promise<void> {
  await ensureNpmTool(...AZURITE);
  if (hasGo) await ensureBinaries(["versitygw", "fake-gcs-server", "oci-registry"]);
}

/** Kubernetes' programs, except what KUBEBUILDER_ASSETS has, and Knative's definitions. */
export async function prepareApiserver(more: readonly BinaryName[] = []): Promise<void> {
  const assets = process.env["KUBEBUILDER_ASSETS"] ?? "";
  const own: readonly BinaryName[] = assets === "" ? ["etcd", "kube-apiserver"] : [];
  await ensureBinaries([...own, "kubectl", ...more]);
  await ensureModuleSource("knative.dev/serving", SERVING_VERSION);
}

/** What the tests start beside the cluster itself: Argo CD with its Redis, an S3 server. */
export async function prepareCluster({ hasGo }: { readonly hasGo: boolean }): Promise<void> {
  if (hasGo) await ensureBinaries(["argocd", "versitygw"]);
  await ensurePackages("argocd");
}

/** The browser of the pages' tests. */
export async function prepareBrowser(): Promise<void> {
  await ensureChromium();
}
