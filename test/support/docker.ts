/**
 * A Docker engine of this process alone: its own containerd, sockets and data, no bridge, no
 * firewall rule. Containers share the machine's network, and are told to listen on loopback.
 */
import { execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type Dockerode from "dockerode";

import { assertRunning, startDaemon, stopProcess } from "../../hack/cluster/daemon.ts";
import type { Daemon } from "../../hack/cluster/daemon.ts";
import { ensurePackages } from "../../hack/cluster/packages.ts";
import { waitFor } from "../../hack/cluster/wait.ts";

export interface Docker {
  readonly client: Dockerode;
  /** Loads an archive in `docker save` format. */
  load(tar: string): Promise<void>;
  /** Makes an image of one layer from a tar file. */
  import(tar: string, repository: string, tag: string): Promise<void>;
  /** Ends the engine and everything in it. */
  stop(): Promise<void>;
}

const START_MS_MAX = 60_000;

/**
 * Starts the engine and points testcontainers at it, whose first import has to come later. Needs
 * root on Linux; installs Debian's docker.io where it is missing.
 */
export async function startDocker(): Promise<Docker> {
  await ensurePackages("image");
  // Short: the path of a socket may have 107 bytes.
  const folder = await mkdtemp(join(tmpdir(), "plt-docker-"));
  const daemons: Daemon[] = [];
  const clean = async (): Promise<void> => {
    for (const daemon of daemons.toReversed()) await stopProcess(daemon);
    await unmountBelow(folder);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    daemons.push(await startContainerd(folder));
    daemons.push(await startDockerd(folder));
    const client = await connect(join(folder, "docker.sock"));
    return {
      client,
      stop: async () => {
        await removeContainers(client);
        await clean();
      },
      load: async (tar) => finish(await client.loadImage(createReadStream(tar))),
      import: async (tar, repo, tag) => {
        await finish(await client.importImage(createReadStream(tar), { repo, tag }));
      },
    };
  } catch (cause) {
    await clean();
    throw cause;
  }
}

async function startContainerd(folder: string): Promise<Daemon> {
  const config = join(folder, "containerd.toml");
  const socket = join(folder, "containerd.sock");
  const lines = [
    "version = 2",
    `root = "${folder}/containerd"`,
    `state = "${folder}/containerd-state"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    `[grpc]\naddress = "${socket}"`,
  ];
  await writeFile(config, lines.join("\n"));
  return start("containerd", ["--config", config], { folder, socket });
}

function startDockerd(folder: string): Promise<Daemon> {
  const socket = join(folder, "docker.sock");
  const args = [
    `--host=unix://${socket}`,
    `--containerd=${folder}/containerd.sock`,
    `--data-root=${folder}/data`,
    `--exec-root=${folder}/exec`,
    `--pidfile=${folder}/docker.pid`,
    // Nothing of the machine's network is touched.
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
  ];
  return start("dockerd", args, { folder, socket });
}

async function start(
  name: string,
  args: readonly string[],
  { folder, socket }: { readonly folder: string; readonly socket: string },
): Promise<Daemon> {
  const logPath = join(folder, `${name}.log`);
  const daemon = await startDaemon({ name, command: name, args, logPath, outlive: false });
  await waitFor(`${name}'s socket`, () => access(socket).then(() => true), {
    timeoutMs: START_MS_MAX,
    check: () => assertRunning(daemon),
  });
  return daemon;
}

async function connect(socket: string): Promise<Dockerode> {
  process.env["DOCKER_HOST"] = `unix://${socket}`;
  // Its reaper is an image of a registry; stop() removes what is left instead.
  process.env["TESTCONTAINERS_RYUK_DISABLED"] = "true";
  // It would look for the address of a bridge otherwise, which this engine has not.
  process.env["TESTCONTAINERS_HOST_OVERRIDE"] = "127.0.0.1";
  const { getContainerRuntimeClient } = await import("testcontainers");
  const runtime = await getContainerRuntimeClient();
  return runtime.container.dockerode;
}

/** Reads an answer to its end: the work is done when it is. Throws the error that it may hold. */
async function finish(answer: NodeJS.ReadableStream): Promise<void> {
  let text = "";
  for await (const chunk of answer) text = (text + String(chunk)).slice(-4000);
  if (text.includes('"error"')) throw new Error(text);
}

async function removeContainers(client: Dockerode): Promise<void> {
  for (const { Id } of await client.listContainers({ all: true })) {
    await client.getContainer(Id).remove({ force: true });
  }
}

/** An engine that was killed leaves its mounts behind, and a folder with mounts can't be removed. */
async function unmountBelow(folder: string): Promise<void> {
  const mounts = (await readFile("/proc/self/mounts", "utf8"))
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path.startsWith(`${folder}/`));
  for (const path of mounts.toReversed()) await promisify(execFile)("umount", ["-l", path]);
}
