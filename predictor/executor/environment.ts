/** PURE: the environment of a process that holds the one model of a predictor. */

const tunable = "glibc.malloc.hugetlb";

/**
 * What it inherits, and huge pages for what glibc's malloc maps, weights above all, where the kernel
 * leaves that to the program (`madvise`, what many distributions set): a run reads all of them, and
 * without finds each page's address anew. Other values of GLIBC_TUNABLES stay; whoever sets this one
 * keeps his. Other C libraries pass over it, and so do older ones of glibc than 2.35.
 */
export function executorEnvironment(
  inherited: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(inherited)) {
    if (value !== undefined) environment[name] = value;
  }
  const { GLIBC_TUNABLES: others = "" } = environment;
  if (others.includes(tunable)) return environment;
  const tunables = [...(others === "" ? [] : [others]), `${tunable}=1`].join(":");
  return { ...environment, GLIBC_TUNABLES: tunables };
}
