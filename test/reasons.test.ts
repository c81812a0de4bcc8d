/** Every reason that the controller can give is explained in the documentation. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import { parse } from "yaml";

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
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
    const schema = schemaOf("inferenceservice");
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

  it("and so are all fields of a status, and of a repository of models", () => {
    const { spec, status } = schemaOf("inferenceservice")?.properties ?? {};
    const model = spec?.properties?.["predictor"]?.properties?.["model"];
    const docs = readFileSync(join(root, "docs/api/inferenceservice.md"), "utf8");
    const names = [...namesIn(status), ...namesIn(model?.properties?.["repository"])];
    assert.ok(names.length > 60, `${names.length} fields`);
    const missing = names.filter((name) => !new RegExp(`\\b${name}\\b`).test(docs));
    assert.deepEqual([...new Set(missing)], []);
  });

  it("and so are the fields of a runtime and of its containers", () => {
    const spec = schemaOf("servingruntime")?.properties?.["spec"];
    const container = spec?.properties?.["containers"]?.items;
    const docs = readFileSync(join(root, "docs/api/servingruntime.md"), "utf8");
    const missing = [spec, container].flatMap((part) =>
      Object.keys(part?.properties ?? {}).filter((name) => !new RegExp(`\\b${name}\\b`).test(docs)),
    );
    assert.deepEqual(missing, []);
  });

  it("and so are the conditions that golden cases write", () => {
    const docs = readFileSync(join(root, "docs/api/inferenceservice.md"), "utf8");
    const golden = join(root, "test/golden");
    const types = readdirSync(golden).flatMap((name) => {
      const text = readFileSync(join(golden, name, "want.yaml"), "utf8");
      const { status } = parse(text) as { status: { conditions: readonly { type: string }[] } };
      return status.conditions.map(({ type }) => type);
    });
    const missing = [...new Set(types)].filter((type) => !docs.includes(`\`${type}\``));
    assert.deepEqual(missing, []);
  });
});

/** The schema of a kind. */
function schemaOf(kind: string): Schema | undefined {
  const text = readFileSync(join(root, `crds/${kind}.yaml`), "utf8");
  const crd = parse(text, { maxAliasCount: -1 }) as Definition;
  return crd.spec.versions[0]?.schema.openAPIV3Schema;
}

/** Names of all fields below `schema`. */
function namesIn(schema: Schema | undefined): readonly string[] {
  const below = Object.entries(schema?.properties ?? {});
  return [
    ...below.flatMap(([name, inner]) => [name, ...namesIn(inner)]),
    ...(schema?.items === undefined ? [] : namesIn(schema.items)),
  ];
}
