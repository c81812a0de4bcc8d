/** A Secret, a service account and a service, the very text of docs/kserve.md. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const path = join(import.meta.dirname, "../../docs/kserve.md");

/** The documents of its section on credentials. Throws when there is none. */
export function kserveCredentialsExample(): string {
  const text = readFileSync(path, "utf8");
  const block = /^### Credentials$.*?^```\n(.*?)^```/ms.exec(text)?.[1];
  if (block === undefined) throw new Error(`${path} has no example of credentials`);
  return block;
}
