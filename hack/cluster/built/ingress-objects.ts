import type { Manifest } from "./manifests.ts";
import { ENVOY_PORT, GATEWAY_PORT, NODE_ADDRESS } from "./network.ts";

/** The Gateway of all routes, public and cluster-local: their host names keep them apart. */
export const GATEWAY = { namespace: "knative-ingress", name: "knative" } as const;

const SERVICE = "envoy";
/** Cluster-local URLs name no port. */
const SERVICE_PORT = 80;
const KNATIVE = "knative-serving";

/**
 * The Gateway, the Service through which pods reach the Envoy of the node, and Knative's word
 * for both. Its endpoints are written by hand, in both kinds: net-gateway-api reads Endpoints,
 * kube-proxy reads EndpointSlices, which the control plane mirrors.
 */
export function ingressObjects(): Manifest[] {
  const { namespace, name } = GATEWAY;
  const gatewayClass = "contour";
  const port = { name: "http", port: SERVICE_PORT, targetPort: ENVOY_PORT, protocol: "TCP" };
  const entry = [
    {
      class: gatewayClass,
      gateway: `${namespace}/${name}`,
      service: `${namespace}/${SERVICE}`,
      "supported-features": ["HTTPRouteRequestTimeout"],
    },
  ];
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "GatewayClass",
      metadata: { name: gatewayClass },
      spec: { controllerName: "projectcontour.io/gateway-controller" },
    },
    {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "Gateway",
      metadata: { namespace, name },
      spec: {
        gatewayClassName: gatewayClass,
        listeners: [
          {
            name: "http",
            port: GATEWAY_PORT,
            protocol: "HTTP",
            allowedRoutes: { namespaces: { from: "All" } },
          },
        ],
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace, name: SERVICE },
      spec: { ports: [port] },
    },
    {
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: { namespace, name: SERVICE },
      subsets: [
        {
          addresses: [{ ip: NODE_ADDRESS }],
          ports: [{ name: "http", port: ENVOY_PORT, protocol: "TCP" }],
        },
      ],
    },
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace: KNATIVE, name: "config-gateway" },
      // JSON is YAML too.
      data: {
        "external-gateways": JSON.stringify(entry),
        "local-gateways": JSON.stringify(entry),
      },
    },
  ];
}
