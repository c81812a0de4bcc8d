/**
 * Properties of the source itself that no compiler checks: directions of imports, purity, sizes.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, it } from "mocha";
import { Project, SyntaxKind } from "ts-morph";
import { VERSION } from "../controller/version.ts";
import { missingPackages } from "../hack/complete-lock.ts";

const root = join(import.meta.dirname, "..");
const tracked = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" })
  .split("\0")
  .filter((path) => path !== "" && existsSync(join(root, path)));
const sources = tracked.filter((path) => path.endsWith(".ts") && !path.endsWith(".gen.ts"));
const production = sources.filter(
  (path) => /^(controller|predictor)\//.test(path) && !isTest(path),
);

function isTest(path: string): boolean {
  return (
    path.endsWith(".test.ts") || /\/(testing|fixtures?)\//.test(path) || path.startsWith("test/")
  );
}

function text(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** What `path` imports: repository-relative paths for its own files, package names for the rest. */
function imports(path: string): string[] {
  const found = text(path).matchAll(
    /^\s*(?:import|export)\s[^"';]*?from\s+["']([^"']+)["']|import\(["']([^"']+)["']\)|^import\s+["']([^"']+)["']/gm,
  );
  return [...found]
    .map((match) => match[1] ?? match[2] ?? match[3] ?? "")
    .map((name) => (name.startsWith(".") ? normalize(join(dirname(path), name)) : name));
}

const PURE = [
  "controller/api/",
  "controller/desired/",
  "controller/observe/",
  "predictor/protocol/",
];

const FORBIDDEN: readonly { from: RegExp; to: RegExp; why: string }[] = [
  { from: /^controller\//, to: /^predictor\//, why: "they meet in docs/runtime-contract.md" },
  { from: /^predictor\//, to: /^controller\//, why: "they meet in docs/runtime-contract.md" },
  {
    from: /^controller\/(api|desired|observe)\//,
    to: /^(node:|controller\/(kube|ops|cli)\/|@kubernetes|undici|pino|prom-client)/,
    why: "decisions are pure",
  },
  {
    from: /^predictor\/protocol\//,
    to: /^(node:|predictor\/(http|executor|repository|storage|ops)\/|express|onnxruntime)/,
    why: "decisions are pure",
  },
  {
    from: /^controller\/kube\//,
    to: /^controller\/(desired|observe|cli|reconcile)/,
    why: "kube/ knows the cluster, not what it is used for",
  },
  {
    from: /^(controller|predictor)\//,
    to: /^(hack|test)\//,
    why: "what is shipped does not need what builds or tests it",
  },
  {
    from: /^predictor\/(?!executor\/)/,
    to: /^onnxruntime/,
    why: "a session in the HTTP process would block it",
  },
];

describe("tidy", () => {
  it("imports go in the directions of docs/architecture.md", () => {
    const wrong = production.flatMap((path) =>
      imports(path).flatMap((to) =>
        FORBIDDEN.filter((rule) => rule.from.test(path) && rule.to.test(to)).map(
          (rule) => `${path} imports ${to}: ${rule.why}`,
        ),
      ),
    );
    assert.deepEqual(wrong, []);
  });

  it("pure rooms have no clock, randomness, environment or console", () => {
    const banned =
      /\b(Date\.now\(|new Date\(\)|Math\.random\(|process\.|console\.|performance\.now\()/;
    const wrong = production
      .filter((path) => PURE.some((room) => path.startsWith(room)))
      .filter((path) => banned.test(text(path)));
    assert.deepEqual(wrong, []);
  });

  it("the environment is read in config and main files only", () => {
    const wrong = production
      .filter((path) => !/(^|\/)(config|main)\.ts$/.test(path))
      .filter((path) => /\bprocess\.env\b/.test(text(path)));
    assert.deepEqual(wrong, []);
  });

  it("files have at most 400 lines of at most 100 columns, sentences in strings apart", () => {
    const wrong = sources.flatMap((path) => {
      const lines = text(path).split("\n");
      return [
        ...(lines.length > 401 ? [`${path}: ${lines.length} lines`] : []),
        ...lines.flatMap((line, at) =>
          line.length > 100 && !/["'`]/.test(line) ? [`${path}:${at + 1}: ${line.length}`] : [],
        ),
      ];
    });
    assert.deepEqual(wrong, []);
  });

  it("functions have at most 70 lines and four positional parameters", () => {
    const project = new Project({ useInMemoryFileSystem: true });
    const wrong = production.flatMap((path) => {
      const file = project.createSourceFile(path, text(path));
      const functions = [
        ...file.getDescendantsOfKind(SyntaxKind.FunctionDeclaration),
        ...file.getDescendantsOfKind(SyntaxKind.MethodDeclaration),
        ...file.getDescendantsOfKind(SyntaxKind.ArrowFunction),
      ];
      return functions.flatMap((found) => {
        const lines = found.getEndLineNumber() - found.getStartLineNumber() + 1;
        const at = `${path}:${found.getStartLineNumber()}`;
        return [
          ...(lines > 70 ? [`${at}: ${lines} lines`] : []),
          ...(found.getParameters().length > 4
            ? [`${at}: ${found.getParameters().length} parameters`]
            : []),
        ];
      });
    });
    assert.deepEqual(wrong, []);
  });

  it("there are no default exports and no barrels", () => {
    const wrong = sources.filter(
      (path) => /^export default /m.test(text(path)) || /^export \* from /m.test(text(path)),
    );
    assert.deepEqual(wrong, []);
  });

  it("generated files say where they come from", () => {
    const wrong = tracked
      .filter((path) => path.endsWith(".gen.ts"))
      .filter(
        (path) =>
          !/^\/\/ Code generated by \S+ from .+; DO NOT EDIT\.$/m.test(
            text(path).split("\n")[0] ?? "",
          ),
      );
    assert.deepEqual(wrong, []);
  });

  it("every exported function of the shipped code has a docstring or says all in its name", () => {
    const undocumented = production.filter((path) => {
      const body = text(path);
      return !/^(\/\*\*|\/\/)/.test(body.trimStart()) && !body.includes("/**");
    });
    assert.deepEqual(undocumented, []);
  });

  it("no tracked file is larger than 1 MB, and the lock file names no registry", () => {
    const large = tracked.filter((path) => readFileSync(join(root, path)).length > 1_048_576);
    assert.deepEqual(large, []);
    assert.ok(!/"resolved": "http/.test(text("package-lock.json")));
  });

  it("the lock file holds the packages of every platform, or npm ci fails", () => {
    const lock = JSON.parse(text("package-lock.json")) as Parameters<typeof missingPackages>[0];
    assert.deepEqual([...missingPackages(lock).keys()], []);
  });

  it("the version is the same everywhere", () => {
    const { version } = JSON.parse(text("package.json")) as { version: string };
    assert.equal(VERSION, version);
  });

  it("links in the documentation lead somewhere", () => {
    const wrong = tracked
      .filter((path) => path.endsWith(".md"))
      .flatMap((path) =>
        [...text(path).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)]
          .map((match) => normalize(join(dirname(path), match[1] ?? "")))
          .filter((target) => !existsSync(join(root, target)))
          .map((target) => `${path} → ${relative(".", target)}`),
      );
    assert.deepEqual(wrong, []);
  });
});
