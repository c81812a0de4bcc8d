/** The Roles of the chart on a real API server: enough for the real controller, and no more. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { after, before, describe, it } from "mocha";
import { stringify } from "yaml";
import type { InferenceService } from "../../controller/api/inferenceservice.gen.ts";
import type { KnativeService } from "../../controller/api/knative-service.gen.ts";
import { condition } from "../../controller/observe/conditions.ts";
import { renderChart } from "../../hack/chart/install.ts";
import { callKube, expectKube } from "../../hack/cluster/kube-request.ts";
import { waitFor } from "../../hack/cluster/wait.ts";
import { kserveCredentialsExample } from "../support/kserve-example.ts";
import { startTestCluster, TIMEOUT, type TestCluster } from "./cluster.ts";
import { ciValues, only, parseManifests, type Manifest } from "./objects.ts";
import { applyKnative, KSERVE_RESOURCES, runController, SYSTEM } from "./running.ts";

const ROBOT = `system:serviceaccount:${SYSTEM}:pilotlight`;
const ISVC = "pilotlight.dev/inferenceservices";
const RUNTIMES = "pilotlight.dev/servingruntimes";
const CLUSTER_RUNTIMES = "pilotlight.dev/clusterservingruntimes";
const KSVC = "serving.knative.dev/services";

/** verb, group/resource[/subresource], namespace ("" = all), object's name. */
type Act = readonly [verb: string, resource: string, namespace: string, name?: string];

const READ = ["get", "list", "watch"];

/** What it needs where InferenceServices are. */
function needed(namespace: string): readonly Act[] {
  const read = [ISVC, RUNTIMES, KSVC, "serving.knative.dev/revisions", "/pods"].flatMap(
    (resource) => READ.map((verb) => [verb, resource, namespace] as const),
  );
  return [
    ...read,
    ["patch", `${ISVC}/status`, namespace],
    ["update", `${ISVC}/finalizers`, namespace],
    ["create", KSVC, namespace],
    ["patch", KSVC, namespace],
    ["delete", KSVC, namespace],
    ["create", "events.k8s.io/events", namespace],
    ["patch", "events.k8s.io/events", namespace],
  ];
}

const NEEDED_ANYWAY: readonly Act[] = [
  ...READ.map((verb) => [verb, "/configmaps", "knative-serving"] as const),
  ["create", "coordination.k8s.io/leases", SYSTEM],
  ["get", "coordination.k8s.io/leases", SYSTEM, "pilotlight-controller"],
  ["update", "coordination.k8s.io/leases", SYSTEM, "pilotlight-controller"],
];

/** Nodes belong to no namespace. */
const NODES: readonly Act[] = READ.map((verb) => [verb, "/nodes", ""] as const);

const NEVER: readonly Act[] = [
  ["list", "/secrets", ""],
  ["watch", "/secrets", ""],
  ["list", "/configmaps", ""],
  ["list", "/configmaps", SYSTEM],
  ["update", "/configmaps", "knative-serving"],
  ["create", ISVC, "team-a"],
  ["create", RUNTIMES, "team-a"],
  ["patch", CLUSTER_RUNTIMES, ""],
  ["update", ISVC, "team-a"],
  ["patch", ISVC, "team-a"],
  ["delete", ISVC, "team-a"],
  ["update", `${ISVC}/status`, "team-a"],
  ["update", KSVC, "team-a"],
  ["deletecollection", KSVC, "team-a"],
  ["create", "serving.knative.dev/routes", "team-a"],
  ["delete", "serving.knative.dev/revisions", "team-a"],
  ["create", "/pods", "team-a"],
  ["delete", "/pods", "team-a"],
  ["create", "/pods/exec", "team-a"],
  ["create", "/serviceaccounts/token", SYSTEM],
  ["impersonate", "/users", ""],
  ["escalate", "rbac.authorization.k8s.io/clusterroles", ""],
  ["bind", "rbac.authorization.k8s.io/clusterroles", ""],
  ["update", "apiextensions.k8s.io/customresourcedefinitions", ""],
  ["get", "coordination.k8s.io/leases", SYSTEM, "of-somebody-else"],
  ["update", "coordination.k8s.io/leases", SYSTEM, "of-somebody-else"],
  ["list", "coordination.k8s.io/leases", SYSTEM],
  ["get", "coordination.k8s.io/leases", "kube-system", "pilotlight-controller"],
  ["patch", "/nodes", ""],
  ["patch", "/nodes/status", ""],
  ["list", "/namespaces", ""],
  ["*", "*/*", ""],
];

interface Mode {
  readonly title: string;
  /** With KServe's group: whether it may. */
  readonly readsSecrets?: boolean;
  readonly values: readonly string[];
  readonly yes: readonly Act[];
  readonly no: readonly Act[];
}

const SECRETS: readonly Act[] = READ.map((verb) => [verb, "/secrets", ""]);
const ACCOUNTS: readonly Act[] = READ.map((verb) => [verb, "/serviceaccounts", ""]);

const MODES: readonly Mode[] = [
  {
    title: "in all namespaces",
    values: [],
    yes: [
      ...needed(""),
      ...NEEDED_ANYWAY,
      ...NODES,
      ...READ.map((verb) => [verb, CLUSTER_RUNTIMES, ""] as const),
    ],
    no: [...NEVER, ...SECRETS, ["get", "/secrets", SYSTEM], ...ACCOUNTS],
  },
  {
    title: "with KServe's group",
    readsSecrets: true,
    values: ["--set", "compatibility.kserve=true"],
    yes: [...ACCOUNTS, ["get", "/secrets", "team-a"]],
    no: [...NEVER, ["create", "/serviceaccounts", "team-a"]],
  },
  {
    title: "with KServe's group, without Secrets",
    readsSecrets: false,
    values: ["--set", "compatibility.kserve=true,compatibility.readSecrets=false"],
    yes: ACCOUNTS,
    no: [...NEVER, ...SECRETS],
  },
  {
    title: "in two namespaces",
    // The namespaced values leave the definition to somebody else.
    values: ["--values", ciValues("namespaced"), "--set", "crds.install=true"],
    yes: [...needed("team-a"), ...needed("team-b"), ...NEEDED_ANYWAY],
    no: [
      ...NEVER,
      ...needed(""),
      ...needed("team-c"),
      ...NODES,
      ...SECRETS,
      ["get", "/secrets", SYSTEM],
      ["list", CLUSTER_RUNTIMES, ""],
    ],
  },
];

for (const { title, readsSecrets, values, yes, no } of MODES) {
  describe(`the controller's permissions ${title}`, function () {
    this.timeout(120_000);
    let cluster: TestCluster;
    let all: readonly Manifest[];

    before(async function () {
      this.timeout(1_800_000);
      cluster = await startTestCluster({
        args: ["--enable-admission-plugins=OwnerReferencesPermissionEnforcement"],
      });
      for (const name of [SYSTEM, "knative-serving", "team-a", "team-b", "team-c"]) {
        await cluster.createNamespace(name);
      }
      const text = await renderChart({ args: values });
      all = parseManifests(text);
      await cluster.kubectl(["apply", "--server-side", "-f", "-"], text);
      await applyKnative(cluster, readsSecrets === undefined ? [] : KSERVE_RESOURCES);
    });

    after(async () => {
      await cluster.stop();
    });

    async function allowed(act: Act, user = ROBOT): Promise<boolean> {
      const [verb, resource, namespace, name] = act;
      const [group = "", plural = "", subresource = ""] = resource.split("/");
      const attributes = { verb, group, resource: plural, subresource, namespace, name };
      const body = await expectKube(cluster.apiserver.endpoint, {
        method: "POST",
        path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        body: {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SubjectAccessReview",
          spec: { user, groups: ["system:authenticated"], resourceAttributes: attributes },
        },
      });
      return (JSON.parse(body) as { status: { allowed: boolean } }).status.allowed;
    }

    it("are all that it needs", async () => {
      const refused: string[] = [];
      for (const act of yes) {
        if (!(await allowed(act))) refused.push(act.join(" "));
      }
      assert.deepEqual(refused, []);
    });

    it("are nothing that it does not need", async () => {
      const granted: string[] = [];
      for (const act of no) {
        if (await allowed(act)) granted.push(act.join(" "));
      }
      assert.deepEqual(granted, []);
    });

    it("are what kubectl says, too", async () => {
      const as = `--as=${ROBOT}`;
      const says = async (...args: readonly string[]): Promise<string> =>
        (await cluster.kubectl(["auth", "can-i", ...args, as]).catch(() => "no")).trim();
      assert.equal(await says("list", "isvc", "-n", "team-a"), "yes");
      assert.equal(await says("list", "secrets", "-n", "team-a"), "no");
    });

    it("have no wildcard, and a word on Secrets only where they are to be read", () => {
      const rules = all.flatMap((manifest) => manifest.rules ?? []);
      assert.notEqual(rules.length, 0);
      for (const { apiGroups, resources, verbs } of rules) {
        assert.ok(![...apiGroups, ...resources, ...verbs].includes("*"));
        const secrets = resources.some((resource) => resource.startsWith("secrets"));
        assert.ok(!secrets || (readsSecrets === true && verbs.join() === "get"));
      }
      const cluster = all.some(({ kind }) => kind === "ClusterRoleBinding");
      assert.equal(cluster, !values.includes("--values"), "namespaced means Roles only");
    });

    it("let the controller itself do its work, without one refusal", async () => {
      const running = await runController(cluster, all);
      try {
        await createInferenceService(cluster, "served", "onnx");
        await createInferenceService(cluster, "refused", "unheard-of");
        const path = "/apis/serving.knative.dev/v1/namespaces/team-a/services/served-predictor";
        await waitFor("a Knative Service", () => found(cluster, path), TIMEOUT);
        await waitFor("statuses", () => haveStatus(cluster, ["served", "refused"]), TIMEOUT);
        await waitFor("an Event", () => hasEvent(cluster), TIMEOUT);
      } finally {
        await running.stop();
      }
      const lease = `/apis/coordination.k8s.io/v1/namespaces/${SYSTEM}/leases/pilotlight-controller`;
      assert.equal((await callKube(cluster.apiserver.endpoint, { path: lease })).status, 200);
      assert.doesNotMatch(await running.metrics(), /rest_client_requests_total\{code="403"/);
      assert.deepEqual(running.complaints(), []);
    });

    if (readsSecrets !== undefined) {
      it("lead to the store's keys by the service account", async () => {
        const example = kserveCredentialsExample();
        await cluster.kubectl(["apply", "-n", "team-a", "-f", "-"], example);
        const running = await runController(cluster, all);
        try {
          const path = "/apis/serving.knative.dev/v1/namespaces/team-a/services/flowers-predictor";
          await waitFor("a Knative Service", () => found(cluster, path), TIMEOUT);
          const { body } = await callKube(cluster.apiserver.endpoint, { path });
          const pod = (JSON.parse(body) as KnativeService).spec?.template?.spec;
          const endpoint = { name: "AWS_ENDPOINT_URL_S3", value: "http://minio.storage:9000" };
          const has = pod?.containers[0]?.env?.some((each) => isDeepStrictEqual(each, endpoint));
          assert.equal(has, readsSecrets);
          assert.deepEqual(pod?.volumes?.at(-1), {
            name: "storage-credentials",
            projected: { sources: [{ secret: { name: "store-keys", optional: true } }] },
          });
          const isvc =
            "/apis/serving.kserve.io/v1beta1/namespaces/team-a/inferenceservices/flowers";
          await waitFor(
            "a status",
            async () => {
              const answer = await callKube(cluster.apiserver.endpoint, { path: isvc });
              const { status } = JSON.parse(answer.body) as InferenceService;
              assert.notEqual(status?.conditions, undefined);
              const warning = condition(status?.conditions, "Warning");
              assert.equal(warning?.reason, readsSecrets ? undefined : "SecretNotReadable");
              return true;
            },
            TIMEOUT,
          );
        } finally {
          await running.stop();
        }
      });
    }

    if (values.length === 0) {
      it("are apart from what users get by the cluster's own roles", async () => {
        for (const role of ["view", "edit"]) {
          const bind = ["create", "rolebinding", role, `--clusterrole=pilotlight-${role}`];
          await cluster.kubectl([...bind, `--user=${role}or`, "-n", "team-a"]);
          const { labels } = only(all, "ClusterRole", `pilotlight-${role}`).metadata;
          assert.equal(labels?.[`rbac.authorization.k8s.io/aggregate-to-${role}`], "true");
        }
        assert.equal(await allowed(["list", ISVC, "team-a"], "viewor"), true);
        assert.equal(await allowed(["create", ISVC, "team-a"], "viewor"), false);
        assert.equal(await allowed(["create", ISVC, "team-a"], "editor"), true);
        assert.equal(await allowed(["patch", `${ISVC}/scale`, "team-a"], "editor"), true);
        assert.equal(await allowed(["patch", `${ISVC}/scale`, "team-a"], "viewor"), false);
        assert.equal(await allowed(["patch", `${ISVC}/status`, "team-a"], "editor"), false);
      });
    }
  });
}

async function createInferenceService(
  { kubectl }: TestCluster,
  name: string,
  format: string,
): Promise<void> {
  const manifest = {
    apiVersion: "pilotlight.dev/v1beta1",
    kind: "InferenceService",
    metadata: { name, namespace: "team-a" },
    spec: { predictor: { model: { modelFormat: { name: format }, storageUri: "s3://m/m" } } },
  };
  await kubectl(["apply", "-f", "-"], stringify(manifest));
}

async function found({ apiserver }: TestCluster, path: string): Promise<true | undefined> {
  return (await callKube(apiserver.endpoint, { path })).status === 200 ? true : undefined;
}

async function haveStatus(
  { get }: TestCluster,
  names: readonly string[],
): Promise<true | undefined> {
  for (const name of names) {
    const path = `/apis/pilotlight.dev/v1beta1/namespaces/team-a/inferenceservices/${name}`;
    const { status } = await get<{ status?: { observedGeneration?: number } }>(path);
    if (status?.observedGeneration === undefined) return undefined;
  }
  return true;
}

async function hasEvent({ get }: TestCluster): Promise<true | undefined> {
  const path = "/apis/events.k8s.io/v1/namespaces/team-a/events";
  const { items } = await get<{ items: readonly { reason: string; regarding: object }[] }>(path);
  return items.some(({ reason }) => reason === "NoSupportingRuntime") ? true : undefined;
}
