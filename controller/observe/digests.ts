/** Which contents the pods of each revision serve, as far as they told. */
import type { KnativeService } from "../api/knative-service.gen.ts";
import { LABEL_REVISION, STORAGE_INITIALIZER } from "../api/names.ts";
import type { Warning } from "../desired/warning.ts";
import type { Pod } from "./pods.ts";
import type { View } from "./view.ts";

/** By revision: each digest that a pod of it told, sorted. */
export type RevisionDigests = ReadonlyMap<string, readonly string[]>;

/** Last words of the init container that fetched the model (docs/runtime-contract.md). */
const FETCHED = /^model digest (sha256:[0-9a-f]{64})$/;

/** `asked` is what the pods of the predictor answered, by their names. */
export function revisionDigests(
  pods: readonly Pod[],
  asked: ReadonlyMap<string, string> | undefined,
): RevisionDigests {
  const told = new Map<string, Set<string>>();
  for (const pod of pods) {
    const revision = pod.metadata.labels?.[LABEL_REVISION];
    const digest = asked?.get(pod.metadata.name) ?? fetchedDigest(pod);
    if (revision !== undefined && digest !== undefined) {
      told.set(revision, (told.get(revision) ?? new Set()).add(digest));
    }
  }
  return new Map([...told].map(([revision, digests]) => [revision, [...digests].toSorted()]));
}

function fetchedDigest({ status }: Pod): string | undefined {
  const found = status?.initContainerStatuses?.find(({ name }) => name === STORAGE_INITIALIZER);
  const { exitCode, message = "" } = found?.state?.terminated ?? {};
  return exitCode === 0 ? FETCHED.exec(message.trim())?.[1] : undefined;
}

/** Whether its pods replace their model by themselves: then they differ for a moment. */
export function isPolled(service: KnativeService | undefined): boolean {
  const containers = service?.spec?.template?.spec?.containers ?? [];
  return containers.some(
    ({ env }) => env?.some(({ name }) => name === "STORAGE_POLL_SECONDS") ?? false,
  );
}

/** Revisions whose pods serve different contents. */
export function contentsDiffer(view: View, digests: RevisionDigests): readonly Warning[] {
  const differing = isPolled(view.service)
    ? []
    : [...digests].filter(([, told]) => told.length > 1);
  return differing.map(([revision, told]) => ({
    reason: "ModelContentsDiffer",
    message:
      `pods of revision ${revision} serve different contents of the same storageUri ` +
      `(${told.slice(0, SHOWN_MAX).map(shortDigest).join(", ")}): it was overwritten while they ran; ` +
      "delete the older pods, and put the next model at an address of its own",
  }));
}

const SHOWN_MAX = 3;

/** As much of a digest as tells it from others to the eye. */
export function shortDigest(digest: string): string {
  return digest.slice(0, "sha256:".length + 12);
}
