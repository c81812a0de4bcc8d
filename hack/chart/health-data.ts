/**
 * Test data of health.lua, in the shape that Argo CD's own repository has it. Statuses are those of
 * the golden cases, which the controller's observe() wrote: the check and the controller cannot
 * drift apart.
 */
import { parse, stringify } from "yaml";

export type Word = "Healthy" | "Progressing" | "Degraded" | "Suspended";

interface Condition {
  readonly type: string;
  readonly message?: string;
  readonly observedGeneration?: number;
}

interface Status {
  readonly observedGeneration?: number;
  readonly conditions?: readonly Condition[];
}

interface Subject {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly status?: Status;
}

interface HealthCase {
  readonly file: string;
  /** Folder of test/golden whose status it has. */
  readonly golden: string;
  readonly word: Word;
  /** The condition whose message Argo CD shows, or the text itself. */
  readonly message: { readonly of: string } | { readonly text: string };
  /** What is different from the golden case. */
  readonly change?: (subject: Subject) => Subject;
}

const GENERATION = 3;
const LATEST = { text: "Waiting for the controller to look at the latest change" };

function edited(subject: Subject): Subject {
  return { ...subject, metadata: { ...subject.metadata, generation: GENERATION + 1 } };
}

/** The status is of the new generation, its conditions are not: one write of two that was seen. */
function halfWritten(subject: Subject): Subject {
  const status = { ...subject.status, observedGeneration: GENERATION + 1 };
  return { ...edited(subject), status };
}

function deleted(subject: Subject): Subject {
  const metadata = { ...subject.metadata, deletionTimestamp: "2026-11-22T12:05:00Z" };
  return { ...subject, metadata };
}

function untouched({ status: _status, ...subject }: Subject): Subject {
  return subject;
}

export const HEALTH_CASES: readonly HealthCase[] = [
  {
    file: "healthy-serving",
    golden: "status-serving",
    word: "Healthy",
    message: { of: "Ready" },
  },
  {
    file: "healthy-scaled-to-zero",
    golden: "status-scaled-to-zero",
    word: "Healthy",
    message: { of: "Ready" },
  },
  {
    file: "suspended-stopped",
    golden: "status-stopped",
    word: "Suspended",
    message: { of: "Stopped" },
  },
  {
    file: "progressing-deploying",
    golden: "status-first-touch",
    word: "Progressing",
    message: { of: "Reconciling" },
  },
  {
    file: "progressing-storage-down",
    golden: "status-storage-down",
    word: "Progressing",
    message: { of: "Reconciling" },
  },
  {
    file: "progressing-ingress-missing",
    golden: "status-ingress-missing",
    word: "Progressing",
    message: { of: "Ready" },
  },
  {
    file: "progressing-no-status",
    golden: "status-serving",
    word: "Progressing",
    message: { text: "Waiting for the controller to look at this InferenceService" },
    change: untouched,
  },
  {
    file: "progressing-stale-status",
    golden: "status-serving",
    word: "Progressing",
    message: LATEST,
    change: edited,
  },
  {
    file: "progressing-stale-conditions",
    golden: "status-serving",
    word: "Progressing",
    message: { text: "Waiting for the controller to look at this InferenceService" },
    change: halfWritten,
  },
  {
    file: "progressing-stale-stalled",
    golden: "status-model-not-found",
    word: "Progressing",
    message: LATEST,
    change: edited,
  },
  {
    file: "progressing-deleted",
    golden: "status-serving",
    word: "Progressing",
    message: { text: "Pending deletion" },
    change: deleted,
  },
  {
    file: "degraded-model-not-found",
    golden: "status-model-not-found",
    word: "Degraded",
    message: { of: "Stalled" },
  },
  {
    file: "degraded-access-denied",
    golden: "status-access-denied",
    word: "Degraded",
    message: { of: "Stalled" },
  },
  {
    file: "degraded-refused",
    golden: "timeout-over-maximum",
    word: "Degraded",
    message: { of: "Stalled" },
  },
  {
    file: "degraded-new-revision-fails",
    golden: "status-new-revision-fails",
    word: "Degraded",
    message: { of: "Stalled" },
  },
];

/** Texts of a golden case: test/golden/<name>/{given,want}.yaml. */
export interface GoldenTexts {
  readonly given: string;
  readonly want: string;
}

/** Path below the customization's folder → content. */
export function healthFiles(golden: (name: string) => GoldenTexts): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const tests = HEALTH_CASES.map((row) => {
    const subject = subjectOf(golden(row.golden));
    const changed = row.change?.(subject) ?? subject;
    const inputPath = `testdata/${row.file}.yaml`;
    files.set(inputPath, yaml(changed));
    return { healthStatus: { status: row.word, message: messageOf(row, changed) }, inputPath };
  });
  files.set("health_test.yaml", yaml({ tests }));
  return files;
}

function messageOf({ message, golden }: HealthCase, { status }: Subject): string {
  if ("text" in message) {
    return message.text;
  }
  const found = status?.conditions?.find(({ type }) => type === message.of)?.message;
  if (found === undefined) {
    throw new Error(`test/golden/${golden} has no condition ${message.of} with a message`);
  }
  return found;
}

/** The golden case's InferenceService as `kubectl get -o yaml` prints one. */
export function subjectOf({ given, want }: GoldenTexts): Subject {
  const { inferenceService } = parse(given) as { inferenceService: Subject };
  const { status } = parse(want) as { status: Status };
  const metadata = {
    ...inferenceService.metadata,
    generation: inferenceService.metadata.generation ?? GENERATION,
    creationTimestamp: "2026-11-22T11:00:00Z",
    resourceVersion: "4711",
    uid: "5b0f2a66-4c1f-4c57-9d0e-2f3f4c5d6e7f",
  };
  return { ...inferenceService, metadata, status };
}

function yaml(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 });
}

/** What is merged into the ConfigMap argocd-cm. */
export function healthPatch(script: string): string {
  const lines = script.trimEnd().split("\n");
  return [
    "# Code generated by hack/chart from health.lua; DO NOT EDIT.",
    "# kubectl patch configmap argocd-cm -n argocd --patch-file argocd-cm-patch.yaml",
    "data:",
    "  resource.customizations.health.pilotlight.dev_InferenceService: |",
    ...lines.map((line) => (line === "" ? "" : `    ${line}`)),
    "",
  ].join("\n");
}
