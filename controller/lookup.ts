/**
 * PURE: a table asked with a word of somebody else's. `table[word]` alone would find what every
 * object inherits: `constructor`, `toString`.
 */
export function lookup<T>(table: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}
