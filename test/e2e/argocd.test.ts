/**
 * GitOps: what is pushed is served and Healthy, what cannot be served is Degraded with the reason,
 * what is removed is pruned.
 */
import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { parse } from "yaml";
import { INFERENCE_SERVICE } from "../../controller/api/kinds.ts";
import type { Kind, KubeObject } from "../../controller/cluster.ts";
import { startArgocd, type Argocd } from "../../hack/cluster/addons/argocd.ts";
import { ensureBinary } from "../../hack/go/build.ts";
import { runCommand } from "../../hack/go/command.ts";
import { ROOT, world, type World } from "./world.ts";

const APPLICATION: Kind = {
  apiVersion: "argoproj.io/v1alpha1",
  kind: "Application",
  plural: "applications",
  namespaced: true,
};
const at = { namespace: "e2e-argocd", name: "iris" };
const SYNC_MS = 180_000;

interface Application extends KubeObject {
  readonly spec: {
    readonly source: Readonly<Record<string, unknown>>;
    readonly destination: Readonly<Record<string, unknown>>;
    readonly syncPolicy: Readonly<Record<string, unknown>>;
  };
  readonly status?: {
    readonly sync?: { readonly status?: string; readonly revision?: string };
    readonly health?: { readonly status?: string };
    readonly resources?: readonly {
      readonly kind: string;
      readonly status?: string;
      readonly health?: { readonly status?: string; readonly message?: string };
    }[];
  };
}

describe("Argo CD", () => {
  let w: World;
  let argocd: Argocd;
  let folder: string;
  let repository: string;

  const git = async (...args: readonly string[]): Promise<string> => {
    const who = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
    return (await runCommand("git", ["-C", repository, ...who, ...args])).stdout.trim();
  };
  const push = async (message: string): Promise<string> => {
    await git("add", "--all");
    await git("commit", "--message", message);
    return git("rev-parse", "HEAD");
  };
  /** Until Argo CD has synced this commit and says this of the application's health. */
  const untilHealth = async (revision: string, health: string): Promise<Application> => {
    try {
      return await w.client.until(
        `the application is Synced and ${health}`,
        async () => {
          const found = await w.client.get<Application>(APPLICATION, argocd.namespace, at.name);
          const { sync, health: seen } = found?.status ?? {};
          const synced = sync?.status === "Synced" && sync.revision === revision;
          if (synced && seen?.status === health) {
            return found;
          }
          throw new Error(`it is ${JSON.stringify({ sync, health: seen })}`);
        },
        SYNC_MS,
      );
    } catch (error) {
      process.stderr.write(await argocd.logs());
      throw error;
    }
  };

  before(async () => {
    w = await world();
    await w.namespace(at.namespace);
    folder = await mkdtemp(join(tmpdir(), "argocd-"));
    repository = join(folder, "repository");
    await mkdir(join(repository, "examples/iris"), { recursive: true });
    const manifest = "examples/iris/isvc.yaml";
    await copyFile(join(ROOT, manifest), join(repository, manifest));
    await git("init", "--quiet", "--initial-branch=main");
    argocd = await startArgocd(w.cluster);
    const check = join(ROOT, "examples/argocd/argocd-cm-patch.yaml");
    const map = ["configmap", "argocd-cm", "-n", argocd.namespace];
    await w.kubectl("patch", ...map, "--patch-file", check);
  });

  after(async () => {
    await argocd?.stop();
    await rm(folder, { recursive: true, force: true });
    await w.removeNamespace(at.namespace);
  });

  it("syncs examples/iris from Git: Synced and Healthy", async () => {
    const revision = await push("Serve iris");
    const text = await readFile(join(ROOT, "examples/argocd/application-iris.yaml"), "utf8");
    const application = parse(text) as Application;
    const { source, destination } = application.spec;
    await w.client.apply(APPLICATION, {
      ...application,
      spec: {
        ...application.spec,
        source: { ...source, repoURL: `file://${repository}` },
        destination: { ...destination, namespace: at.namespace },
        // The last test removes the only resource, which Argo CD takes for a mistake unless told.
        syncPolicy: {
          ...application.spec.syncPolicy,
          automated: { prune: true, selfHeal: true, allowEmpty: true },
        },
      },
    } as KubeObject);
    const seen = await untilHealth(revision, "Healthy");
    const resource = seen.status?.resources?.find(({ kind }) => kind === "InferenceService");
    assert.equal(resource?.status, "Synced");
    assert.equal((await w.revisions(at)).length, 1, "Argo CD's tracking makes no second revision");
  });

  it("its own tool says the same of what was saved", async () => {
    const save = async (file: string, ...of: readonly string[]): Promise<string> => {
      const path = join(folder, file);
      await writeFile(path, await w.kubectl("get", ...of, "-o", "yaml"));
      return path;
    };
    const isvc = await save("isvc.yaml", "isvc", at.name, "-n", at.namespace);
    const map = await save("argocd-cm.yaml", "configmap", "argocd-cm", "-n", argocd.namespace);
    const health = ["admin", "settings", "resource-overrides", "health"];
    const said = await w.cluster.exec(
      await ensureBinary("argocd"),
      [...health, isvc, "--argocd-cm-path", map],
      { env: { ARGOCD_BINARY_NAME: "argocd" } },
    );
    assert.match(said.stdout, /^STATUS: Healthy$/m);
  });

  it("a model that does not exist: Degraded, with the reason", async () => {
    const path = join(repository, "examples/iris/isvc.yaml");
    const manifest = await readFile(path, "utf8");
    const uri = /storageUri: .*/;
    await writeFile(
      path,
      manifest.replace(uri, "storageUri: file:///opt/pilotlight/examples/none"),
    );
    const seen = await untilHealth(await push("Serve a model that is not there"), "Degraded");
    const resource = seen.status?.resources?.find(({ kind }) => kind === "InferenceService");
    assert.match(resource?.health?.message ?? "", /examples\/none/);
    await writeFile(path, manifest);
    await untilHealth(await push("Serve iris again"), "Healthy");
  });

  it("removed from Git, it is pruned", async () => {
    await git("rm", "--quiet", "examples/iris/isvc.yaml");
    await mkdir(join(repository, "examples/iris"), { recursive: true });
    await writeFile(join(repository, "examples/iris/README.md"), "nothing is served\n");
    await push("Serve nothing");
    await w.client.until(
      "the InferenceService is gone",
      async () => ((await w.isvc(at.namespace, at.name)) === undefined ? true : undefined),
      SYNC_MS,
    );
    await w.client.remove(APPLICATION, argocd.namespace, at.name);
    await w.client.until("the application is gone", async () => {
      const found = await w.client.get(APPLICATION, argocd.namespace, at.name);
      return found === undefined ? true : undefined;
    });
    assert.deepEqual(await w.client.list(INFERENCE_SERVICE, at.namespace), []);
  });
});
