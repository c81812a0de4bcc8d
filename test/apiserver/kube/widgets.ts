/** What the tests of controller/kube on a real API server share: a CRD, clients, a path to cut. */
import { channel } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import type { Kind, KubeObject, ObjectMeta } from "../../../controller/cluster.ts";
import { createCluster, type KubeCluster } from "../../../controller/kube/cluster.ts";
import { credentialsOf, loadKubeConfig } from "../../../controller/kube/credentials.ts";
import { isConflict, isNotFound } from "../../../controller/kube/errors.ts";
import { createHttp, type KubeHttp } from "../../../controller/kube/http.ts";
import { eventually } from "../../../controller/kube/testing/eventually.ts";
import { memoryLog } from "../../../controller/kube/testing/memory-log.ts";

export const WIDGET: Kind = {
  apiVersion: "test.pilotlight.dev/v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
};

export const CONFIG_MAP: Kind = {
  apiVersion: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
};

export interface Widget extends KubeObject {
  readonly spec?: { readonly size?: number; readonly colour?: string };
  readonly status?: { readonly phase?: string };
}

export function widget(name: string, rest: Partial<Widget> = {}, meta: Partial<ObjectMeta> = {}) {
  const { apiVersion, kind } = WIDGET;
  return { apiVersion, kind, metadata: { namespace: "default", ...meta, name }, ...rest };
}

/** A client for the user of a kubeconfig; `server` leads it another way to the same API server. */
export function clientOf(kubeconfig: string, options: { server?: URL; userAgent?: string } = {}) {
  const source = credentialsOf(loadKubeConfig(kubeconfig));
  const { server } = options;
  return createHttp({
    credentials: async () => ({ ...(await source()), ...(server === undefined ? {} : { server }) }),
    userAgent: options.userAgent ?? "pilotlight-controller/test",
  });
}

const CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const CRD_NAME = "widgets.test.pilotlight.dev";

/** Installs the CRD and waits until its kind is served. */
export async function installWidgets(http: KubeHttp): Promise<void> {
  const [group = "", version = ""] = WIDGET.apiVersion.split("/");
  const text = { type: "string" };
  const schema = {
    type: "object",
    properties: {
      spec: { type: "object", properties: { size: { type: "integer", minimum: 0 }, colour: text } },
      status: { type: "object", properties: { phase: text } },
    },
  };
  const { kind, plural } = WIDGET;
  await http.json({
    method: "POST",
    path: CRD_PATH,
    body: {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: CRD_NAME },
      spec: {
        group,
        scope: "Namespaced",
        names: { kind, plural, singular: "widget", listKind: "WidgetList" },
        versions: [
          {
            name: version,
            served: true,
            storage: true,
            subresources: { status: {} },
            schema: { openAPIV3Schema: schema },
          },
        ],
      },
    },
  });
  await eventually("the kind is served", async () => (await listsWidgets(http)) || undefined);
}

/** Removes the CRD, and with it every object of the kind. */
export async function removeWidgets(http: KubeHttp): Promise<void> {
  try {
    await http.json({ method: "DELETE", path: `${CRD_PATH}/${CRD_NAME}` });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  await eventually("the kind is gone", async () => !(await listsWidgets(http)) || undefined);
}

async function listsWidgets(http: KubeHttp): Promise<boolean> {
  try {
    await http.json({ method: "GET", path: `/apis/${WIDGET.apiVersion}/widgets` });
    return true;
  } catch (error) {
    // Too early, the storage of the kind is being set up: 404 first, then 429 or 409 for a moment.
    if (isNotFound(error) || isConflict(error)) return false;
    throw error;
  }
}

export interface TestCluster {
  readonly cluster: KubeCluster;
  readonly log: ReturnType<typeof memoryLog>;
  stop(): Promise<void>;
}

/** A started cluster that watches Widgets, with a client of its own. */
export function watchWidgets(
  http: KubeHttp,
  options: Partial<Parameters<typeof createCluster>[0]> = {},
): TestCluster {
  const log = memoryLog();
  const cluster = createCluster({
    http,
    kinds: [{ kind: WIDGET, indexLabels: ["app"] }],
    reportingInstance: "test",
    log,
    ...options,
  });
  cluster.start();
  return {
    cluster,
    log,
    stop: async () => {
      await cluster.stop();
      await http.close();
    },
  };
}

export interface Path {
  readonly url: URL;
  /** Ends all connections and refuses new ones. */
  cut(): void;
  heal(): void;
  close(): Promise<void>;
}

/** A way to a server that can be cut, while others still reach it. */
export async function startPath(target: string): Promise<Path> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect(Number(port), hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const drop = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    url: new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}`),
    cut: () => {
      isCut = true;
      drop();
    },
    heal: () => {
      isCut = false;
    },
    close: async () => {
      drop();
      server.close();
      await once(server, "close");
    },
  };
}

/** Counts the connections that undici opens in this process. */
export function countConnections(): { count(): number; stop(): void } {
  let connections = 0;
  const onConnected = (): void => {
    connections += 1;
  };
  const connected = channel("undici:client:connected");
  connected.subscribe(onConnected);
  return {
    count: () => connections,
    stop: () => {
      connected.unsubscribe(onConnected);
    },
  };
}
