/** Every reason that the controller can give is explained in the documentation. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import { parse } from "yaml";

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
}

interface Definition {
  readonly spec: {
    readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

const root = join(import.meta.dirname, "..");
const sources = execFileSync("git", ["ls-files", "controller"], { cwd: root, encoding: "utf8" })
  .split("\n")
  .filter((path) =>
    /^controller\/(desired|observe|rollout)\/[^/]+\.ts$|^controller\/[^/]+\.ts$/.test(path),
  )
  .filter((path) => !path.endsWith(".test.ts"));

/** KServe's words for failures, which its own documentation explains. */
const KSERVE = new Set(["RuntimeUnhealthy", "InvalidPredictorSpec", "RuntimeNotRecognized"]);
/** Why a key is looked at again: seen by the log alone. */
const INTERNAL = new Set(["Rollout"]);

describe("the reasons", () => {
  it("are all in docs/api", () => {
    const docs = ["inferenceservice", "servingruntime"]
      .map((name) => readFileSync(join(root, `docs/api/${name}.md`), "utf8"))
      .join("\n");
    const missing = sources.flatMap((path) =>
      [...readFileSync(join(root, path), "utf8").matchAll(/\breason: "([A-Z]\w+)"/g)]
        .map((match) => match[1] ?? "")
        .filter(
          (reason) =>
            !KSERVE.has(reason) && !INTERNAL.has(reason) && !docs.includes(`\`${reason}\``),
        )
        .map((reason) => `${path}: ${reason}`),
    );
    assert.deepEqual([...new Set(missing)], []);
  });

  it("and so are the fields of a predictor and of a model", () => {
    const text = readFileSync(join(root, "crds/inferenceservice.yaml"), "utf8");
    const crd = parse(text, { maxAliasCount: -1 }) as Definition;
    const schema = crd.spec.versions[0]?.schema.openAPIV3Schema;
    const predictor = schema?.properties?.["spec"]?.properties?.["predictor"];
    const docs = readFileSync(join(root, "docs/api/inferenceservice.md"), "utf8");
    const missing = [predictor, predictor?.properties?.["model"]].flatMap((part) =>
      Object.entries(part?.properties ?? {})
        // Those without a type are there to be refused, in words of their own.
        .filter(([, { type }]) => type !== undefined)
        .map(([field]) => field)
        .filter((field) => !new RegExp(`\\b${field}\\b`).test(docs)),
    );
    assert.deepEqual(missing, []);
  });
});
