/** An API server that notes every call of two users, reads included, and who reads its notes. */
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { startApiserver, type Apiserver } from "../../../test/support/apiserver.ts";
import { parseAudit, type AuditedWrite } from "../../cluster/audit.ts";

export const CONTROLLER = "pilotlight-controller";
export const BARE_WRITER = "bare-writer";

/** Starts one, runs `work` and ends it. */
export async function withApiserver<T>(work: (apiserver: Apiserver) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "pilotlight-bench-"));
  try {
    const policy = join(folder, "audit-policy.yaml");
    await writeFile(policy, auditPolicy());
    const apiserver = await startApiserver({ args: [`--audit-policy-file=${policy}`] });
    try {
      return await work(apiserver);
    } finally {
      await apiserver.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whoever is not measured leaves no line: writing it would cost the others time. */
function auditPolicy(): string {
  return stringify({
    apiVersion: "audit.k8s.io/v1",
    kind: "Policy",
    omitStages: ["RequestReceived", "ResponseStarted"],
    omitManagedFields: true,
    rules: [{ level: "Metadata", users: [CONTROLLER, BARE_WRITER] }, { level: "None" }],
  });
}

/** A call, as the audit log tells it; of a watch, there is a line when it ends. */
export type Call = AuditedWrite;

const WRITES: ReadonlySet<string> = new Set(["create", "update", "patch", "delete"]);

export function isWrite({ verb, code }: Call): boolean {
  return WRITES.has(verb) && code < 300;
}

/** The controller's calls about `default`, read as the log grows: each line once. */
export class Calls {
  readonly #path: string;
  readonly #found: Call[] = [];
  #offset = 0;

  constructor(auditLog: string) {
    this.#path = auditLog;
  }

  /** All so far, in the order of their answers. One read at a time. */
  async read(): Promise<readonly Call[]> {
    const file = await open(this.#path, "r");
    try {
      const { size } = await file.stat();
      if (size < this.#offset)
        throw new Error(`${this.#path} was begun anew: use a smaller --count`);
      const { buffer } = await file.read(Buffer.alloc(size - this.#offset), {
        position: this.#offset,
      });
      const end = buffer.lastIndexOf(10) + 1;
      this.#offset += end;
      const calls = parseAudit(buffer.toString("utf8", 0, end));
      this.#found.push(
        ...calls.filter(({ user, namespace }) => user === CONTROLLER && namespace === "default"),
      );
    } finally {
      await file.close();
    }
    return [...this.#found];
  }

  async writes(): Promise<readonly Call[]> {
    return (await this.read()).filter(isWrite);
  }
}
