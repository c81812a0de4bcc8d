import { readFileSync, readlinkSync } from "node:fs";
import { access, mkdir, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "../../go/command.ts";
import { identifyProcess, isAlive, type ProcessId } from "../../go/process-id.ts";
import { assertRunning, killProcess, startDaemon, type Daemon } from "../daemon.ts";
import { waitFor } from "../wait.ts";
import { NODE_ADDRESS, NODE_INTERFACE } from "./network.ts";
import type { Paths } from "./state.ts";

/**
 * The cluster's own network, process and mount namespaces. They make the rest simple: no
 * address and no path below /run can collide with anything, no packet has a route out of the
 * machine, and the end of their first process ends every other one and undoes every mount.
 */
export interface Sandbox {
  readonly guard: ProcessId;
  readonly init: ProcessId;
}

const CGROUPS = "/sys/fs/cgroup";
const START_TIMEOUT_MS = 20_000;

/** Makes the namespaces and their first process, which does nothing but reap. */
export async function createSandbox(paths: Paths, pause: string): Promise<Sandbox> {
  const script = join(paths.config, "sandbox.sh");
  const marker = join(paths.folder, "sandbox.ready");
  await rm(marker, { force: true });
  await mkdir(join(paths.folder, "var-log"), { recursive: true });
  await mkdir(join(paths.folder, "cni"), { recursive: true });
  await writeFile(script, sandboxScript(paths, marker, pause));
  const namespaces = ["--mount", "--pid", "--net", "--ipc", "--propagation", "private"];
  const guard = await startDaemon({
    name: "sandbox",
    command: "unshare",
    args: [...namespaces, "--fork", "--kill-child", "--mount-proc", "sh", script],
    logPath: join(paths.logs, "sandbox.log"),
    outlive: true,
  });
  const check = async (): Promise<void> => assertRunning(guard);
  await waitFor("the cluster's namespaces", async () => exists(marker), {
    timeoutMs: START_TIMEOUT_MS,
    check,
  });
  const [init] = childrenOf(guard.pid);
  if (init === undefined) {
    throw new Error("the cluster's namespaces have no first process");
  }
  await createCgroup(paths.cgroup);
  return { guard: { pid: guard.pid, startTicks: guard.startTicks }, init };
}

/** Runs inside the new namespaces before anything else does. */
function sandboxScript(paths: Paths, marker: string, pause: string): string {
  return `set -eu
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/etcd /run/containerd /var/lib/cni
mount --bind '${join(paths.folder, "var-log")}' /var/log
mount --bind '${join(paths.folder, "cni")}' /var/lib/cni
ip link set lo up
ip link add ${NODE_INTERFACE} type bridge
ip address add ${NODE_ADDRESS}/24 dev ${NODE_INTERFACE}
ip link set ${NODE_INTERFACE} up
ip route add default dev ${NODE_INTERFACE}
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables || true
mkdir /run/sysctl
${KUBELET_SYSCTLS.map(shadowSysctl).join("\n")}
touch '${marker}'
exec '${pause}'
`;
}

/**
 * What kubelet sets on its machine. These have no namespace: it shall find them set as it wants,
 * in files that only the cluster sees, and leave the machine's own alone.
 */
const KUBELET_SYSCTLS: readonly (readonly [name: string, value: number])[] = [
  ["vm/overcommit_memory", 1],
  ["vm/panic_on_oom", 0],
  ["kernel/panic", 10],
  ["kernel/panic_on_oops", 1],
  ["kernel/keys/root_maxkeys", 1_000_000],
  ["kernel/keys/root_maxbytes", 25_000_000],
];

function shadowSysctl([name, value]: readonly [string, number]): string {
  const file = `/run/sysctl/${name.replaceAll("/", ".")}`;
  return `echo ${value} > ${file} && mount --bind ${file} /proc/sys/${name}`;
}

/** Arguments of nsenter for a command that is to be one of the cluster's processes. */
export function enterArgs(init: ProcessId): string[] {
  return ["--target", String(init.pid), "--mount", "--pid", "--net", "--ipc"];
}

/** Arguments of nsenter for a person's command: the cluster's network, his own files. */
export function enterNetworkArgs(init: ProcessId): string[] {
  return ["--target", String(init.pid), "--net"];
}

/** Whether this process already runs in the cluster's network. */
export function isInsideNetwork(init: ProcessId): boolean {
  try {
    return readlinkSync("/proc/self/ns/net") === readlinkSync(`/proc/${init.pid}/ns/net`);
  } catch {
    return false;
  }
}

export interface SandboxDaemon {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly logPath: string;
}

/** Starts a process inside and returns it; nsenter stays as its parent outside. */
export async function startInside(init: ProcessId, spec: SandboxDaemon): Promise<Daemon> {
  const parent = await startDaemon({
    name: spec.name,
    command: "nsenter",
    args: [...enterArgs(init), spec.command, ...spec.args],
    ...(spec.env === undefined ? {} : { env: spec.env }),
    logPath: spec.logPath,
    outlive: true,
  });
  const child = await waitFor(`${spec.name} starts`, async () => childrenOf(parent.pid)[0], {
    timeoutMs: START_TIMEOUT_MS,
    intervalMs: 10,
    check: async () => assertRunning(parent),
  });
  return { name: spec.name, logPath: spec.logPath, ...child };
}

/** Runs a command as one of the cluster's processes, to its end. */
export async function runInside(
  init: ProcessId,
  command: string,
  args: readonly string[],
): Promise<void> {
  await runCommand("nsenter", [...enterArgs(init), command, ...args]);
}

function childrenOf(pid: number): ProcessId[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return text
      .split(" ")
      .filter((word) => word !== "")
      .map((word) => identifyProcess(Number(word)))
      .filter((id) => id !== undefined);
  } catch {
    return [];
  }
}

/** Ends every process of the namespaces, which ends the mounts and the network with them. */
export async function destroySandbox(sandbox: Sandbox): Promise<void> {
  for (const id of [sandbox.init, sandbox.guard]) {
    if (isAlive(id)) {
      await killProcess(id);
    }
  }
}

/** Makes the cgroup below which kubelet puts the pods, in every hierarchy there is. */
async function createCgroup(name: string): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    await mkdir(join(hierarchy, name), { recursive: true });
  }
  await inheritCpuset(join(CGROUPS, "cpuset"), name);
}

/** A new cgroup of version 1's cpuset may run nowhere until it is told where. */
async function inheritCpuset(hierarchy: string, name: string): Promise<void> {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    const value = await readFile(join(hierarchy, file), "utf8").catch(() => undefined);
    if (value !== undefined) {
      await writeFile(join(hierarchy, name, file), value);
    }
  }
}

/** Removes the pods' cgroups; each must be empty, which the end of all processes makes it. */
export async function removeCgroups(name: string): Promise<void> {
  // runc makes one in version 2's hierarchy too, where both versions are mounted.
  for (const hierarchy of [...(await hierarchies()), join(CGROUPS, "unified")]) {
    await removeCgroup(join(hierarchy, name));
  }
}

async function removeCgroup(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) {
    return;
  }
  for (const entry of entries.filter((found) => found.isDirectory())) {
    await removeCgroup(join(folder, entry.name));
  }
  // The kernel lets go of ended processes a moment after they have ended.
  await waitFor(
    `${folder} is empty`,
    async () => {
      await rmdir(folder);
      return true;
    },
    { timeoutMs: START_TIMEOUT_MS, intervalMs: 50 },
  );
}

/** Version 1: a folder for each controller. Version 2: the root itself. */
async function hierarchies(): Promise<string[]> {
  if (await exists(join(CGROUPS, "cgroup.controllers"))) {
    return [CGROUPS];
  }
  const names = await readdir(CGROUPS);
  return names.filter((name) => name !== "unified").map((name) => join(CGROUPS, name));
}

async function exists(path: string): Promise<true | undefined> {
  return access(path).then(
    () => true,
    () => undefined,
  );
}
