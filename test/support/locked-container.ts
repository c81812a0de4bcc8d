import assert from "node:assert/strict";

import type { Docker } from "./docker.ts";

export interface LockedOptions {
  readonly image: string;
  readonly environment: Readonly<Record<string, string>>;
  /** What the container has to print before it counts as started. */
  readonly until: RegExp;
  /** File of the machine that is the container's /dev/termination-log. */
  readonly terminationLog: string;
}

export interface LockedContainer {
  readonly terminationLog: string;
  /** Waits for the end. */
  ended(): Promise<{ readonly code: number }>;
  /** Sends SIGTERM, as Kubernetes does, and waits for the end. */
  terminate(): Promise<{ readonly code: number }>;
}

const MEMORY_GIB = 0.5;

/**
 * Starts a container with a read-only root, no capability, no way to new privileges, limited memory
 * and one writable place, /mnt/models. It shares the machine's network.
 */
export async function startLocked(
  docker: Docker,
  { image, environment, until, terminationLog }: LockedOptions,
): Promise<LockedContainer> {
  // Only now: testcontainers looks for an engine when it is loaded.
  const { GenericContainer, PullPolicy, Wait } = await import("testcontainers");
  class Locked extends GenericContainer {
    constructor() {
      super(image);
      this.hostConfig.ReadonlyRootfs = true;
    }
  }
  const started = await new Locked()
    .withPullPolicy({ ...PullPolicy.defaultPolicy(), shouldPull: () => false })
    .withNetworkMode("host")
    .withEnvironment({ ...environment })
    .withDroppedCapabilities("ALL")
    .withSecurityOpt("no-new-privileges")
    .withResourcesQuota({ memory: MEMORY_GIB })
    .withTmpFs({ "/mnt/models": "rw,noexec,nosuid,size=64m" })
    .withBindMounts([{ source: terminationLog, target: "/dev/termination-log", mode: "rw" }])
    .withWaitStrategy(Wait.forLogMessage(until))
    .withStartupTimeout(60_000)
    .start();
  const container = docker.client.getContainer(started.getId());
  const { HostConfig } = await container.inspect();
  assert.equal(HostConfig.ReadonlyRootfs, true);
  assert.deepEqual(HostConfig.CapDrop, ["ALL"]);
  assert.equal(HostConfig.Memory, MEMORY_GIB * 1024 ** 3);
  const ended = async (): Promise<{ code: number }> => {
    const { StatusCode } = (await container.wait()) as { StatusCode: number };
    return { code: StatusCode };
  };
  return {
    terminationLog,
    ended,
    terminate: async () => {
      await container.kill({ signal: "SIGTERM" });
      return ended();
    },
  };
}
