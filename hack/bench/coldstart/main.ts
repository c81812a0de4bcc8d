/**
 * `npm run bench -- coldstart [ROUNDS]`: from zero to the first answer on the real cluster, for
 * iris and, in the same rounds, for the floor that the cluster itself sets: a bare Node server in
 * the same image. Prints medians with their spread and the difference.
 */
import { once } from "node:events";
import { join } from "node:path";
import { openCluster } from "../../cluster/open.ts";
import { installPilotlight } from "../../cluster/pilotlight.ts";

const ROUNDS = 7;

/** Prepares the cluster and measures inside of its network. Throws for a wrong argument. */
export async function main(args: readonly string[]): Promise<void> {
  const rounds = Number(args[0] ?? ROUNDS);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) {
    throw new RangeError(`the number of rounds must be 1 to 100, not "${args[0]}"`);
  }
  const cluster = await openCluster();
  await installPilotlight(cluster);
  const script = join(import.meta.dirname, "measure.ts");
  const child = cluster.spawn(process.execPath, [script, String(rounds)], { stdio: "inherit" });
  const [code] = (await once(child, "exit")) as [number | null];
  process.exitCode = code ?? 1;
}
