import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { isRefusal } from "./refusal.ts";
import { type ModelNeeds, type Runtime, selectRuntime, stillServes } from "./runtimes.ts";

type Format = NonNullable<Runtime["spec"]["supportedModelFormats"]>[number];
type Fields = Partial<Omit<Runtime, "spec">> & Partial<Runtime["spec"]>;

/** A ClusterServingRuntime for onnx that speaks v2, unless told. */
function runtime(name: string, fields: Fields = {}, format: Partial<Format> = {}): Runtime {
  const { kind = "ClusterServingRuntime", createdAt = "2026-01-01T00:00:00Z", ...spec } = fields;
  return {
    kind,
    name,
    createdAt,
    digest: name,
    spec: {
      supportedModelFormats: [{ name: "onnx", autoSelect: true, ...format }],
      protocolVersions: ["v2"],
      containers: [],
      ...spec,
    },
  };
}

const ONNX: ModelNeeds = { format: "onnx" };
const BUILT_IN = runtime(
  "onnxruntime",
  { kind: "BuiltIn", createdAt: "", protocolVersions: ["v1", "v2"] },
  { priority: 1 },
);

interface Row {
  readonly why: string;
  readonly needs?: Partial<ModelNeeds>;
  readonly runtimes: readonly Runtime[];
  /** Name of the runtime, or the refusal's reason. */
  readonly want: string;
  readonly protocol?: string;
}

const ROWS: readonly Row[] = [
  { why: "the only one", runtimes: [runtime("a")], want: "a", protocol: "v2" },
  {
    why: "the namespace before the cluster, whatever the priority",
    runtimes: [runtime("c", {}, { priority: 9 }), runtime("n", { kind: "ServingRuntime" })],
    want: "n",
  },
  {
    why: "the higher priority",
    runtimes: [runtime("a", {}, { priority: 1 }), runtime("b", {}, { priority: 2 })],
    want: "b",
  },
  {
    why: "any priority before none",
    runtimes: [runtime("a"), runtime("b", {}, { priority: 1 })],
    want: "b",
  },
  {
    why: "of equals the lowest protocol",
    needs: { protocol: "v2" },
    runtimes: [runtime("a"), runtime("b", { protocolVersions: ["v1", "v2"] })],
    want: "b",
    protocol: "v2",
  },
  {
    why: "of equals the newest",
    runtimes: [runtime("a"), runtime("b", { createdAt: "2026-02-01T00:00:00Z" })],
    want: "b",
  },
  { why: "made in the same second: by name", runtimes: [runtime("b"), runtime("a")], want: "a" },
  {
    why: "without a word on the protocol, who speaks v1 goes before a higher priority",
    runtimes: [runtime("a", {}, { priority: 9 }), runtime("b", { protocolVersions: [] })],
    want: "b",
    protocol: "v1",
  },
  {
    why: "a named protocol leaves out who does not speak it",
    needs: { protocol: "grpc-v2" },
    runtimes: [runtime("a", {}, { priority: 9 }), runtime("b", { protocolVersions: ["grpc-v2"] })],
    want: "b",
  },
  {
    why: "nobody speaks the protocol",
    needs: { protocol: "grpc-v1" },
    runtimes: [runtime("a")],
    want: "ProtocolNotSupported",
  },
  {
    why: "a runtime without protocols speaks v1 alone",
    needs: { protocol: "v2" },
    runtimes: [runtime("a", { protocolVersions: [] })],
    want: "ProtocolNotSupported",
  },
  {
    why: "another format",
    needs: { format: "sklearn" },
    runtimes: [runtime("a")],
    want: "NoSupportingRuntime",
  },
  {
    why: "a version must be listed",
    needs: { version: "2" },
    runtimes: [runtime("a", {}, { version: "1" }), runtime("b")],
    want: "NoSupportingRuntime",
  },
  {
    why: "a version that is listed",
    needs: { version: "1" },
    runtimes: [runtime("a"), runtime("b", {}, { version: "1" })],
    want: "b",
  },
  {
    why: "without a version any entry will do",
    runtimes: [runtime("a", {}, { version: "1" })],
    want: "a",
  },
  {
    why: "not selected without autoSelect",
    runtimes: [runtime("a", {}, { autoSelect: false })],
    want: "NoSupportingRuntime",
  },
  {
    why: "but served when named",
    needs: { runtime: "a" },
    runtimes: [runtime("a", {}, { autoSelect: false }), runtime("b")],
    want: "a",
  },
  {
    why: "disabled is left out",
    runtimes: [runtime("a", { disabled: true })],
    want: "NoSupportingRuntime",
  },
  {
    why: "disabled and named",
    needs: { runtime: "a" },
    runtimes: [runtime("a", { disabled: true })],
    want: "RuntimeDisabled",
  },
  {
    why: "an unknown name",
    needs: { runtime: "x" },
    runtimes: [BUILT_IN],
    want: "RuntimeNotFound",
  },
  {
    why: "named, but for another format",
    needs: { runtime: "a", format: "sklearn" },
    runtimes: [runtime("a")],
    want: "NoSupportingRuntime",
  },
  {
    why: "named, but of another protocol",
    needs: { runtime: "a", protocol: "v1" },
    runtimes: [runtime("a")],
    want: "ProtocolNotSupported",
  },
  {
    why: "onnx is ours by default, even against an equal priority",
    needs: { protocol: "v2" },
    runtimes: [runtime("a", {}, { priority: 1 }), BUILT_IN],
    want: "onnxruntime",
  },
  {
    why: "a higher priority takes it",
    needs: { protocol: "v2" },
    runtimes: [BUILT_IN, runtime("a", {}, { priority: 2 })],
    want: "a",
  },
  {
    why: "a ClusterServingRuntime stands for the built-in one of its name",
    needs: { runtime: "onnxruntime" },
    runtimes: [BUILT_IN, runtime("onnxruntime", { disabled: true })],
    want: "RuntimeDisabled",
  },
  {
    why: "a name in the namespace goes before the same name in the cluster",
    needs: { runtime: "a" },
    runtimes: [runtime("a"), runtime("a", { kind: "ServingRuntime", protocolVersions: ["v1"] })],
    want: "a",
    protocol: "v1",
  },
];

describe("selectRuntime", () => {
  for (const { why, needs, runtimes, want, protocol } of ROWS) {
    it(`${want}: ${why}`, () => {
      const found = selectRuntime({ ...ONNX, ...needs }, runtimes);
      assert.equal(isRefusal(found) ? found.reason : found.runtime.name, want);
      if (protocol !== undefined) assert.equal(isRefusal(found) ? "" : found.protocol, protocol);
    });
  }

  it("does not depend on the order in which the cluster lists them", () => {
    const priorities = [undefined, 1, 2];
    const all = ["ServingRuntime", "ClusterServingRuntime", "BuiltIn"].flatMap((kind) =>
      priorities.flatMap((priority, at) =>
        (["v1", "v2"] as const).map((protocol) =>
          runtime(
            `${kind.toLowerCase()}-${at}-${protocol}`,
            { kind: kind as Runtime["kind"], protocolVersions: [protocol] },
            priority === undefined ? {} : { priority },
          ),
        ),
      ),
    );
    const chosen = new Map<string, string>();
    for (const protocol of [undefined, "v1", "v2"] as const) {
      // Every rotation, forwards and backwards, of every tail of the list.
      for (let from = 0; from < all.length; from++) {
        const tail = all.slice(from);
        for (let turn = 0; turn < tail.length; turn++) {
          const turned = [...tail.slice(turn), ...tail.slice(0, turn)];
          for (const list of [turned, turned.toReversed()]) {
            const found = selectRuntime({ ...ONNX, protocol }, list);
            const name = isRefusal(found) ? found.reason : found.runtime.name;
            const key = `${protocol} ${from}`;
            assert.equal(name, chosen.get(key) ?? name, key);
            chosen.set(key, name);
          }
        }
      }
    }
    assert.equal(chosen.get("undefined 0"), "servingruntime-2-v1");
  });

  it("names what there is, where it is, and what to do", () => {
    const found = selectRuntime({ format: "sklearn", version: "1" }, [
      BUILT_IN,
      runtime("mine", {}, { name: "sklearn", version: "1", autoSelect: false }),
    ]);
    assert.deepEqual(found, {
      reason: "NoSupportingRuntime",
      message:
        'no runtime serves spec.predictor.model.modelFormat "sklearn" version "1"; supported: "sklearn" version "1". ' +
        "ClusterServingRuntime mine would, but must be named in spec.predictor.model.runtime or is disabled",
    });
  });
});

describe("stillServes", () => {
  const chosen = runtime("a", { disabled: true, protocolVersions: ["v1", "v2"] });
  const rows: readonly { needs: ModelNeeds; want: string | undefined; why: string }[] = [
    { needs: ONNX, want: "v1", why: "disabled stops nobody who runs already" },
    { needs: { ...ONNX, protocol: "v2" }, want: "v2", why: "the protocol may change" },
    { needs: { ...ONNX, runtime: "a" }, want: "v1", why: "it was named since" },
    { needs: { ...ONNX, runtime: "b" }, want: undefined, why: "another one was named" },
    { needs: { ...ONNX, protocol: "grpc-v2" }, want: undefined, why: "it does not speak that" },
    { needs: { format: "sklearn" }, want: undefined, why: "it does not serve that" },
  ];
  for (const { needs, want, why } of rows) {
    it(`${want ?? "no"}: ${why}`, () => {
      assert.equal(stillServes(needs, chosen)?.protocol, want);
    });
  }
});
