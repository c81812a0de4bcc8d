import { homedir } from "node:os";
import { join } from "node:path";

/**
 * The folder for what is costly to make and the same for every checkout: built binaries,
 * their go.mod folders, the state of clusters. XDG_CACHE_HOME is honoured.
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_CACHE_HOME?.startsWith("/") === true ? env.XDG_CACHE_HOME : undefined;
  return join(base ?? join(homedir(), ".cache"), "pilotlight");
}
