/** PURE: the environments of the processes that hold models. */

type Environment = Readonly<Record<string, string | undefined>>;

const tunable = "glibc.malloc.hugetlb";

/**
 * For the one model of a predictor: what it inherits, and huge pages for what glibc's malloc maps,
 * weights above all, where the kernel leaves that to the program (`madvise`, what many distributions
 * set): a run reads all of them, and without finds each page's address anew. Other values of
 * GLIBC_TUNABLES stay; whoever sets this one keeps his. Other C libraries pass over it, and so do
 * older ones of glibc than 2.35.
 */
export function executorEnvironment(inherited: Environment): Record<string, string> {
  const environment = definedIn(inherited);
  const { GLIBC_TUNABLES: others } = environment;
  if (others?.includes(tunable) === true) return environment;
  const tunables = [...(others === undefined ? [] : [others]), `${tunable}=1`].join(":");
  return { ...environment, GLIBC_TUNABLES: tunables };
}

/**
 * For models that come and go. glibc keeps what is freed, and the more so the larger the blocks are
 * that it has seen. With these it maps large blocks, weights above all, one by one, and gives them
 * back when a model leaves.
 */
export function hostEnvironment(inherited: Environment): Record<string, string> {
  return {
    ...definedIn(inherited),
    MALLOC_ARENA_MAX: "2",
    MALLOC_MMAP_THRESHOLD_: "1048576",
    MALLOC_TRIM_THRESHOLD_: "4194304",
  };
}

/** An empty variable is none. */
function definedIn(environment: Environment): Record<string, string> {
  const entries = Object.entries(environment);
  return Object.fromEntries(entries.flatMap(([key, value]) => (value ? [[key, value]] : [])));
}
