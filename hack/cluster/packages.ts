import { access, rm, writeFile } from "node:fs/promises";
import { runCommand } from "../go/command.ts";
import { withLock } from "../go/lock.ts";
import { join } from "node:path";
import { cacheFolder } from "../go/cache.ts";
import { createProgress, type Progress } from "../go/progress.ts";

/** A Debian package and a file that tells that it, or the same from elsewhere, is installed. */
interface Package {
  readonly name: string;
  readonly files: readonly string[];
}

function commandFiles(command: string): string[] {
  return ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(
    (folder) => join(folder, command),
  );
}

function command(name: string, binary: string): Package {
  return { name, files: commandFiles(binary) };
}

/** What a tier needs from the system, by the tier's name. */
const PACKAGES = {
  cluster: [
    command("containerd", "containerd"),
    command("runc", "runc"),
    { name: "containernetworking-plugins", files: ["/usr/lib/cni/bridge", "/opt/cni/bin/bridge"] },
    command("iptables", "iptables"),
    command("conntrack", "conntrack"),
    command("iproute2", "ip"),
    command("util-linux", "nsenter"),
    command("ethtool", "ethtool"),
    command("git", "git"),
  ],
  argocd: [command("redis-server", "redis-server"), command("git", "git")],
  image: [command("docker.io", "dockerd")],
  browser: [
    command("chromium", "chromium"),
    command("curl", "curl"),
    { name: "fonts-dejavu-core", files: ["/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"] },
  ],
} satisfies Record<string, readonly Package[]>;

export type PackageGroup = keyof typeof PACKAGES;

/** Others may be installing, and a mirror may say nothing for a while. */
const APT_OPTIONS = [
  "DPkg::Lock::Timeout=600",
  "Acquire::Retries=5",
  "Acquire::http::Timeout=30",
  "Acquire::https::Timeout=30",
].flatMap((option) => ["-o", option]);
const POLICY = "/usr/sbin/policy-rc.d";
const FORBID_START = "#!/bin/sh\n# Made by Pilotlight while it installs packages.\nexit 101\n";

/**
 * Installs the Debian packages of a group that are missing; does nothing when none is.
 * None of their services is started. Throws, naming the packages, where it cannot install.
 */
export async function ensurePackages(
  group: PackageGroup,
  progress: Progress = createProgress(),
): Promise<void> {
  if ((await missingOf(group)).length === 0) {
    return;
  }
  await withLock(join(cacheFolder(), "locks", "apt"), async () => {
    const missing = await missingOf(group);
    if (missing.length === 0) {
      return;
    }
    const names = missing.map(({ name }) => name).join(" ");
    if (process.getuid?.() !== 0 || !(await isFile("/usr/bin/apt-get"))) {
      throw new Error(
        `missing on this machine: ${names}; install them (as root on Debian: apt-get install ${names})`,
      );
    }
    await progress.step(`apt-get install ${names}`, () => install(missing));
  });
}

async function missingOf(group: PackageGroup): Promise<Package[]> {
  const missing: Package[] = [];
  for (const wanted of PACKAGES[group]) {
    const found = await Promise.all(wanted.files.map(isFile));
    if (!found.includes(true)) {
      missing.push(wanted);
    }
  }
  return missing;
}

async function install(packages: readonly Package[]): Promise<void> {
  const aptGet = async (...args: string[]): Promise<void> => {
    await runCommand("apt-get", ["-qq", ...APT_OPTIONS, ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  };
  await withoutServiceStarts(async () => {
    await aptGet("update");
    await aptGet("install", "--no-install-recommends", "-y", ...packages.map(({ name }) => name));
  });
}

/** Debian starts the services it installs unless this policy forbids it; ours is removed again. */
async function withoutServiceStarts(work: () => Promise<void>): Promise<void> {
  const ours = !(await isFile(POLICY));
  if (ours) {
    await writeFile(POLICY, FORBID_START, { mode: 0o755 });
  }
  try {
    await work();
  } finally {
    if (ours) {
      await rm(POLICY, { force: true });
    }
  }
}

async function isFile(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
