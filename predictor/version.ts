/** The version of this program, as GET /v2 reports it; package.json's, checked by a test. */
export const version = "0.1.0";
