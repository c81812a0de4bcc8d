/** The golden cases once more, by way of files: render must say what the controller applies. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { parse, parseAllDocuments, stringify } from "yaml";
import { DEFAULTS } from "../../../test/support/golden.ts";
import type { ModelHosts } from "../../desired/model-hosts.ts";
import { VERSION } from "../../version.ts";
import { runCommand } from "../testing/terminal.ts";

const GOLDEN = join(import.meta.dirname, "../../../test/golden");
const ISVC = join(import.meta.dirname, "../../../examples/iris/isvc.yaml");

interface Manifest {
  readonly metadata: Record<string, unknown>;
}
interface Given {
  readonly inferenceService: Manifest;
  readonly knativeConfig?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly runtimes?: readonly object[];
  readonly accounts?: readonly object[];
  readonly modelHosts?: ModelHosts;
}
interface Want {
  readonly apply?: Manifest | readonly Manifest[];
  readonly refusal?: { readonly reason: string; readonly message: string };
}

function read<T>(name: string, file: string): T {
  return parse(readFileSync(join(GOLDEN, name, file), "utf8")) as T;
}

/** As `kubectl get configmaps -o yaml` prints them. */
function captured(config: NonNullable<Given["knativeConfig"]>): string {
  const items = Object.entries(config).map(([name, data]) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "knative-serving" },
    data,
  }));
  return stringify({ apiVersion: "v1", kind: "List", items });
}

describe("pilotlight render", () => {
  let folder = "";
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "pilotlight-render-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  // What exists already decides the traffic, and which runtime is kept: render knows of none.
  const alone = readdirSync(GOLDEN).filter((name) => {
    const { service, services } = read<{ service?: unknown; services?: unknown }>(
      name,
      "given.yaml",
    );
    return service === undefined && services === undefined;
  });
  for (const name of alone.filter((each) => !each.startsWith("status-"))) {
    it(`golden ${name}`, async () => {
      const { inferenceService, knativeConfig, runtimes, accounts, modelHosts } = read<Given>(
        name,
        "given.yaml",
      );
      const { apply, refusal } = read<Want>(name, "want.yaml");
      const manifest = file(
        `${name}.yaml`,
        [inferenceService, ...(runtimes ?? []), ...(accounts ?? [])]
          .map((object) => stringify(object))
          .join("---\n"),
      );
      const config =
        knativeConfig === undefined
          ? []
          : ["--config", file(`${name}-config.yaml`, captured(knativeConfig))];
      const storage = { allowedHosts: modelHosts?.allowed, deniedHosts: modelHosts?.denied };
      const settings = file("settings.yaml", stringify({ predictor: DEFAULTS, storage }));
      const ran = await runCommand("render", "-f", manifest, "--settings", settings, ...config);
      if (refusal !== undefined) {
        assert.equal(ran.code, 1, ran.err);
        assert.equal(ran.out, "");
        const id = String(inferenceService.metadata["name"]);
        assert.ok(ran.err.includes(`${id}: ${refusal.reason}: ${refusal.message}`), ran.err);
        return;
      }
      assert.equal(ran.code, 0, ran.err);
      const documents = parseAllDocuments(ran.out).map((each) => each.toJS() as unknown);
      const wanted = (apply === undefined ? [] : [apply].flat()).map((object) => {
        const { ownerReferences: _owner, annotations, ...metadata } = object.metadata;
        const { "pilotlight.dev/runtime": _runtime, ...kept } = annotations as Record<
          string,
          string
        >;
        return { ...object, metadata: { ...metadata, annotations: kept } };
      });
      assert.deepEqual(documents, wanted);
    });
  }

  it("-o json is one object for one, a List for several, with the namespace that -n names", async () => {
    const one = await runCommand("render", "-f", ISVC, "-o", "json", "-n", "team");
    const object = JSON.parse(one.out) as Manifest & { spec: unknown };
    assert.equal(object.metadata["namespace"], "team");
    const two = await runCommand("render", "-f", ISVC, "-f", ISVC, "-o", "json", "-n", "team");
    assert.deepEqual(JSON.parse(two.out), {
      apiVersion: "v1",
      kind: "List",
      items: [object, object],
    });
  });

  it("a namespace that the manifest names stays, and none is made up", async () => {
    const text = readFileSync(ISVC, "utf8").replace("name: iris", "name: iris\n  namespace: own");
    const own = await runCommand("render", "-f", file("own.yaml", text), "-n", "team");
    assert.match(own.out, /^ {2}namespace: own$/m);
    assert.doesNotMatch((await runCommand("render", "-f", ISVC)).out, /namespace:/);
  });

  it("without --settings the image is that of this version; --predictor-image is another", async () => {
    const ours = await runCommand("render", "-f", ISVC);
    assert.ok(ours.out.includes(`image: pilotlight/predictor:${VERSION}\n`), ours.out);
    const other = await runCommand("render", "-f", ISVC, "--predictor-image", "example.com/p:1");
    assert.ok(other.out.includes("image: example.com/p:1\n"), other.out);
  });

  it("one that is refused keeps the others from being printed, and says where it stands", async () => {
    const text = readFileSync(ISVC, "utf8");
    const slow = text.replace("minReplicas: 0", "timeout: 900");
    const both = file("both.yaml", `${text}---\n${slow}`);
    const config = join(folder, "captured");
    mkdirSync(config);
    writeFileSync(
      join(config, "maps.json"),
      JSON.stringify(parse(captured({ "config-defaults": {} }))),
    );
    const ran = await runCommand("render", "-f", both, "--config", config);
    assert.deepEqual([ran.code, ran.out], [1, ""]);
    const [head, line, ...rest] = ran.err.split("\n");
    assert.equal(head, "pilotlight render: refused:");
    assert.match(line ?? "", /both\.yaml:\d+:1: iris: TimeoutOverClusterMaximum: .* 600 s/);
    assert.deepEqual(rest, [""]);
  });

  const faults = [
    { args: [], code: 64, err: /no manifest: give one with -f FILE/, why: "nothing to render" },
    {
      args: ["-f", ISVC, "-o", "text"],
      code: 64,
      err: /-o must be yaml or json, not text/,
      why: "a format that is none",
    },
    {
      args: [ISVC],
      code: 64,
      err: /unexpected argument ".*isvc\.yaml": a manifest is given with -f/,
      why: "forgotten -f",
    },
    {
      args: ["-f", ISVC, "--config", "/nowhere"],
      code: 66,
      err: /cannot read \/nowhere/,
      why: "no such capture",
    },
    {
      args: ["-f", ISVC, "--config", ISVC],
      code: 65,
      err: /no ConfigMap of Knative .*kubectl get configmaps -n knative-serving -o yaml/,
      why: "something else than a capture",
    },
    {
      args: ["-f", ISVC, "--settings", "/nowhere"],
      code: 65,
      err: /--settings: .*\/nowhere cannot be read/,
      why: "no such settings",
    },
  ];
  for (const { args, code, err, why } of faults) {
    it(`${why} is answered with ${code}`, async () => {
      const ran = await runCommand("render", ...args);
      assert.equal(ran.code, code, ran.err);
      assert.equal(ran.out, "");
      assert.match(ran.err, err);
    });
  }
});
