/**
 * Asks the pods which contents they serve (docs/decisions/0009-the-digest-of-a-model.md): each
 * ready pod once in its life, and beside the work: nobody waits for the answer, which wakes the
 * key. What is forgotten (a restart of the controller) is asked again.
 */
import { isReady, type Pod } from "./observe/pods.ts";
import { createPages } from "./pod-pages.ts";
import { parseDigest } from "./rollout/exposition.ts";

export interface DigestRequest {
  /** The InferenceService: `namespace/name`. */
  readonly key: string;
  /** The live ones of the predictor. */
  readonly pods: readonly Pod[];
  /** Where they have their metrics. */
  readonly port: number;
  /** Whether they replace their model by themselves: then they are asked again. */
  readonly polled: boolean;
}

export interface ModelDigests {
  /** What the pods have told so far, by their names; asks those that were not asked yet. */
  of(asked: DigestRequest): ReadonlyMap<string, string>;
  forget(key: string): void;
  close(): Promise<void>;
}

export interface ModelDigestsOptions {
  /** Somebody's digests have changed: look at it again. */
  readonly wake: (key: string) => void;
  readonly nowMs: () => number;
}

/** More pods than these are not asked. */
const PODS_MAX = 16;
const AT_ONCE_MAX = 4;
/** A pod that could not be asked is asked again, when there is something to do, after so long. */
const FAILED_AGAIN_MS = 60_000;
/** Just below the time between two resyncs. */
const POLLED_AGAIN_MS = 540_000;

interface Asked {
  readonly name: string;
  readonly digest: string | undefined;
  /** When to ask again; undefined is never. */
  readonly againMs: number | undefined;
}

export function createModelDigests({ wake, nowMs }: ModelDigestsOptions): ModelDigests {
  const pages = createPages(AT_ONCE_MAX);
  /** By key, then by life of a container. */
  const kept = new Map<string, Map<string, Asked>>();

  async function ask({ key, port, polled }: DigestRequest, pod: Pod): Promise<void> {
    const { name } = pod.metadata;
    const told = await pages.read(pod.status?.podIP ?? "", port).then(
      (text) => ({ digest: parseDigest(text), afterMs: polled ? POLLED_AGAIN_MS : undefined }),
      () => undefined,
    );
    const lives = kept.get(key);
    const before = lives?.get(lifeOf(pod));
    if (lives === undefined || before === undefined) {
      // The pod has gone meanwhile.
      return;
    }
    const { digest, afterMs } = told ?? { digest: before.digest, afterMs: FAILED_AGAIN_MS };
    const againMs = afterMs === undefined ? undefined : nowMs() + afterMs;
    lives.set(lifeOf(pod), { name, digest, againMs });
    if (digest !== before.digest) {
      wake(key);
    }
  }

  return {
    of: (asked) => {
      const before = kept.get(asked.key);
      const lives = new Map<string, Asked>();
      for (const pod of asked.pods.filter(isReady).slice(0, PODS_MAX)) {
        const { name } = pod.metadata;
        const known = before?.get(lifeOf(pod)) ?? { name, digest: undefined, againMs: 0 };
        const isDue = known.againMs !== undefined && known.againMs <= nowMs();
        // Under way it is not asked once more.
        lives.set(lifeOf(pod), isDue ? { ...known, againMs: undefined } : known);
        if (isDue) {
          void ask(asked, pod);
        }
      }
      kept.set(asked.key, lives);
      return new Map(
        [...lives.values()].flatMap(({ name, digest }) =>
          digest === undefined ? [] : [[name, digest] as const],
        ),
      );
    },
    forget: (key) => {
      kept.delete(key);
    },
    close: () => pages.close(),
  };
}

/** A container that starts again may serve something else. */
function lifeOf({ metadata, status }: Pod): string {
  const restarts = (status?.containerStatuses ?? []).map(({ restartCount = 0 }) => restartCount);
  return `${metadata.uid ?? metadata.name}/${restarts.join(",")}`;
}
