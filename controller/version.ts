/** The version of package.json; test/tidy.test.ts holds them equal. */
export const VERSION = "0.1.0";
