import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "../../go/cache.ts";
import type { ProcessId } from "../../go/process-id.ts";

/** The repository that this file belongs to. */
export const CHECKOUT = join(import.meta.dirname, "..", "..", "..");

/** Where everything of one checkout's cluster lies. */
export interface Paths {
  /** Short name of the cluster, for things that are named on the whole machine. */
  readonly id: string;
  readonly folder: string;
  readonly stateFile: string;
  readonly lockFile: string;
  /** Held by the run of the cluster tier that uses it. */
  readonly tierLockFile: string;
  readonly logs: string;
  readonly bin: string;
  readonly config: string;
  readonly pki: string;
  readonly manifests: string;
  readonly kubeconfig: string;
  readonly auditLog: string;
  readonly cgroup: string;
}

/** What is remembered of a running cluster. */
export interface State {
  /** Changes when a cluster made by today's code would differ. */
  readonly fingerprint: string;
  readonly checkout: string;
  readonly ready: boolean;
  /** The process whose end ends all: it waits for the first one of the namespaces. */
  readonly guard: ProcessId;
  /** PID 1 of the cluster's namespaces, as the machine numbers it. */
  readonly init: ProcessId;
  readonly processes: Readonly<Record<string, ProcessId>>;
}

export function pathsOf(checkout: string = CHECKOUT): Paths {
  const id = createHash("sha256").update(checkout).digest("hex").slice(0, 8);
  const clusters = join(cacheFolder(), "clusters");
  const folder = join(clusters, id);
  return {
    id,
    folder,
    stateFile: join(folder, "state.json"),
    lockFile: join(clusters, `${id}.lock`),
    tierLockFile: join(clusters, `${id}.tier.lock`),
    logs: join(folder, "logs"),
    bin: join(folder, "bin"),
    config: join(folder, "config"),
    pki: join(folder, "pki"),
    manifests: join(folder, "manifests"),
    kubeconfig: join(folder, "kubeconfig"),
    auditLog: join(folder, "audit.log"),
    cgroup: `pilotlight-${id}`,
  };
}

/** The recorded state; undefined when there is none or it cannot be understood. */
export async function readState(paths: Paths): Promise<State | undefined> {
  try {
    const parsed = JSON.parse(await readFile(paths.stateFile, "utf8")) as State;
    return typeof parsed.guard.pid === "number" ? parsed : undefined;
  } catch {
    return undefined;
  }
}

export async function writeState(paths: Paths, state: State): Promise<void> {
  await mkdir(paths.folder, { recursive: true });
  const partial = `${paths.stateFile}.${randomUUID()}`;
  await writeFile(partial, JSON.stringify(state, undefined, 2));
  await rename(partial, paths.stateFile);
}
