import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import type { KnativeServicePodSpec } from "../api/knative-service.gen.ts";
import { clusterFacts, parseDurationSeconds } from "./facts.ts";
import { FEATURES, featuresOff } from "./features.ts";
import { hostName } from "./host-names.ts";
import { PREFLIGHT_REASONS } from "./preflight.ts";

const server = { name: "server", image: "example.com/server:1" };

/** A pod for each flag of the table, which uses that and nothing else that has one. */
const USES: Readonly<Record<string, object>> = {
  "kubernetes.podspec-nodeselector": { nodeSelector: { a: "b" } },
  "kubernetes.podspec-tolerations": { tolerations: [{ operator: "Exists" }] },
  "kubernetes.podspec-affinity": { affinity: { nodeAffinity: {} } },
  "kubernetes.podspec-topologyspreadconstraints": { topologySpreadConstraints: [{}] },
  "kubernetes.podspec-hostaliases": { hostAliases: [{ ip: "10.0.0.1" }] },
  "kubernetes.podspec-runtimeclassname": { runtimeClassName: "nvidia" },
  "kubernetes.podspec-securitycontext": { securityContext: { fsGroup: 1 } },
  "kubernetes.podspec-priorityclassname": { priorityClassName: "high" },
  "kubernetes.podspec-schedulername": { schedulerName: "other" },
  "kubernetes.podspec-shareprocessnamespace": { shareProcessNamespace: true },
  "kubernetes.podspec-hostipc": { hostIPC: true },
  "kubernetes.podspec-hostpid": { hostPID: true },
  "kubernetes.podspec-hostnetwork": { hostNetwork: true },
  "kubernetes.podspec-init-containers": { initContainers: [server] },
  "kubernetes.podspec-dnspolicy": { dnsPolicy: "None" },
  "kubernetes.podspec-dnsconfig": { dnsConfig: {} },
  "kubernetes.podspec-volumes-emptydir": { volumes: [{ name: "v", emptyDir: {} }] },
  "kubernetes.podspec-volumes-hostpath": { volumes: [{ name: "v", hostPath: { path: "/" } }] },
  "kubernetes.podspec-volumes-csi": { volumes: [{ name: "v", csi: { driver: "d" } }] },
  "kubernetes.podspec-volumes-ephemeral": { volumes: [{ name: "v", ephemeral: { a: 1 } }] },
  "kubernetes.podspec-volumes-image": { volumes: [{ name: "v", image: { reference: "i" } }] },
  "kubernetes.podspec-persistent-volume-claim": {
    volumes: [{ name: "v", persistentVolumeClaim: { claimName: "c", readOnly: true } }],
  },
  "kubernetes.podspec-persistent-volume-write": {
    volumes: [{ name: "v", persistentVolumeClaim: { claimName: "c" } }],
  },
  "kubernetes.podspec-volumes-mount-propagation": {
    containers: [
      {
        ...server,
        volumeMounts: [{ name: "v", mountPath: "/v", mountPropagation: "HostToContainer" }],
      },
    ],
  },
  "kubernetes.podspec-fieldref": {
    containers: [
      { ...server, env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }] },
    ],
  },
  "kubernetes.containerspec-addcapabilities": {
    containers: [{ ...server, securityContext: { capabilities: { add: ["SYS_NICE"] } } }],
  },
  "multi-container": { containers: [server, { ...server, name: "sidecar" }] },
  "multi-container-probing": {
    containers: [
      { ...server, ports: [{ containerPort: 8080 }] },
      { ...server, name: "sidecar", startupProbe: { exec: { command: ["true"] } } },
    ],
  },
};
/** Flags that Knative wants to be `enabled` (its k8s_validation.go); `allowed` is no more than off. */
const VALIDATED =
  /^multi-container|addcapabilities$|podspec-(volumes|persistent-volume|init-containers)/;

/** A flag whose use needs another one as well. */
const IMPLIES: Readonly<Record<string, string>> = {
  "kubernetes.podspec-persistent-volume-write": "kubernetes.podspec-persistent-volume-claim",
  "multi-container-probing": "multi-container",
};

function pod(fields: object): KnativeServicePodSpec {
  return { containers: [server], ...fields };
}

function off(fields: object, features: Readonly<Record<string, string>>): readonly string[] {
  return featuresOff(pod(fields), features).map(({ flag }) => flag);
}

describe("features of Knative", () => {
  const allOff = Object.fromEntries(FEATURES.map(({ flag }) => [flag, "Disabled"]));

  it("every flag of the table has an example here", () => {
    assert.deepEqual(Object.keys(USES).toSorted(), FEATURES.map(({ flag }) => flag).toSorted());
  });

  for (const [flag, fields] of Object.entries(USES)) {
    it(`${flag} is needed by what uses it, and by nothing else`, () => {
      const implied = IMPLIES[flag];
      const wanted = [flag, ...(implied === undefined ? [] : [implied])].toSorted();
      assert.deepEqual(off(fields, allOff).toSorted(), wanted);
      assert.deepEqual(off(fields, { ...allOff, ...on(wanted, "enabled") }), []);
      const allowed = off(fields, { ...allOff, ...on(wanted, "Allowed") });
      const validated = VALIDATED.test(flag);
      assert.deepEqual(allowed.toSorted(), validated ? wanted : []);
      assert.deepEqual(off({}, allOff), []);
    });
  }

  it("what Knative ships switched on needs nothing said", () => {
    const shipped = FEATURES.filter(({ shippedOn }) => shippedOn).map(({ flag }) => flag);
    assert.deepEqual(shipped, ["kubernetes.podspec-volumes-emptydir", "multi-container"]);
    for (const flag of shipped) {
      assert.deepEqual(off(USES[flag] ?? {}, {}), []);
    }
    const silent = off(USES["kubernetes.podspec-affinity"] ?? {}, {});
    assert.deepEqual(silent, ["kubernetes.podspec-affinity"]);
  });
});

function on(flags: readonly string[], value: string): Readonly<Record<string, string>> {
  return Object.fromEntries(flags.map((flag) => [flag, value]));
}

describe("clusterFacts", () => {
  it("knows nothing of ConfigMaps that cannot be read", () => {
    const facts = clusterFacts("kn", () => undefined);
    const { knativeNamespace, ...rest } = facts;
    assert.equal(knativeNamespace, "kn");
    assert.deepEqual(
      Object.values(rest).filter((fact) => fact !== undefined),
      [],
    );
  });

  it("takes Knative's defaults for keys that are not there", () => {
    assert.deepEqual(
      clusterFacts("kn", () => ({})),
      {
        knativeNamespace: "kn",
        features: {},
        defaults: {
          timeoutSeconds: 300,
          maxTimeoutSeconds: 600,
          containerConcurrencyMax: 1000,
          allowContainerConcurrencyZero: true,
        },
        autoscaler: {
          data: {},
          maxScaleLimit: 0,
          initialScale: 1,
          allowZeroInitialScale: false,
          enableScaleToZero: true,
        },
        deployment: {
          progressDeadlineSeconds: 600,
          podIsAlwaysSchedulable: false,
          registriesSkippingTagResolving: ["kind.local", "ko.local", "dev.local"],
        },
        network: {
          ingressClass: "istio.ingress.networking.knative.dev",
          domainTemplate: "{{.Name}}.{{.Namespace}}.{{.Domain}}",
          tagTemplate: "{{.Tag}}-{{.Name}}",
        },
      },
    );
  });

  it("reads the older spelling of config-network's keys, and the newer one first", () => {
    const network = { "ingress.class": "old", domainTemplate: "a", "domain-template": "b" };
    const facts = clusterFacts("kn", (name) => (name === "config-network" ? network : undefined));
    assert.deepEqual(facts.network, {
      ingressClass: "old",
      domainTemplate: "b",
      tagTemplate: "{{.Tag}}-{{.Name}}",
    });
  });

  const durations = [
    { text: "1800s", seconds: 1800 },
    { text: "1h30m", seconds: 5400 },
    { text: "10m", seconds: 600 },
    { text: "10", seconds: undefined },
    { text: "", seconds: undefined },
    { text: "soon", seconds: undefined },
  ];
  for (const { text, seconds } of durations) {
    it(`"${text}" is ${seconds} seconds`, () => {
      assert.equal(parseDurationSeconds(text), seconds);
    });
  }
});

describe("hostName", () => {
  const templates = {
    domainTemplate: "{{.Name}}.{{ .Namespace -}}.{{.Domain}}",
    tagTemplate: "{{.Tag}}-{{.Name}}",
  };
  it("fills both templates", () => {
    assert.equal(
      hostName({ name: "iris-predictor", namespace: "ml", tag: "prev" }, templates),
      "prev-iris-predictor.ml.example.com",
    );
  });

  it("follows no function, and no field that it does not know", () => {
    for (const domainTemplate of ["{{lower .Name}}.x", "{{.Annotations.host}}.x"]) {
      const host = hostName({ name: "a", namespace: "b" }, { ...templates, domainTemplate });
      assert.equal(host, undefined);
    }
  });
});

describe("docs/api/inferenceservice.md", () => {
  it("names every reason of the preflight", () => {
    const page = readFileSync(
      join(import.meta.dirname, "../../docs/api/inferenceservice.md"),
      "utf8",
    );
    assert.deepEqual(
      PREFLIGHT_REASONS.filter((reason) => !page.includes(`\`${reason}\``)),
      [],
    );
  });
});
