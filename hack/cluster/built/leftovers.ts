import { readFile, rm } from "node:fs/promises";
import { runCommand } from "../../go/command.ts";
import { destroySandbox, removeCgroups } from "./sandbox.ts";
import { readState, type Paths } from "./state.ts";

/**
 * Ends what a cluster of this checkout left, however it ended: its processes (those of the
 * recorded identity and no others), mounts below its folder, its cgroups, its folder.
 */
export async function removeCluster(paths: Paths): Promise<void> {
  const state = await readState(paths);
  if (state !== undefined) {
    await destroySandbox(state);
  }
  await unmountBelow(paths.folder);
  await removeCgroups(paths.cgroup);
  await rm(paths.folder, { recursive: true, force: true });
}

/** The cluster mounts in a namespace of its own; this is for what a stranger mounted there. */
async function unmountBelow(folder: string): Promise<void> {
  const mounts = mountPointsBelow(await readFile("/proc/self/mountinfo", "utf8"), folder);
  for (const mount of mounts) {
    await runCommand("umount", ["--lazy", mount]);
  }
}

/** Mount points below a folder in the text of /proc/PID/mountinfo, the innermost first. */
export function mountPointsBelow(mountinfo: string, folder: string): string[] {
  return mountinfo
    .split("\n")
    .map((line) => unescape(line.split(" ")[4] ?? ""))
    .filter((point) => point.startsWith(`${folder}/`))
    .sort()
    .toReversed();
}

/** The kernel writes a space as \040 and so on. */
function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
