/**
 * Addresses of a cluster that is alone in its network namespace: nothing of them can collide
 * with another checkout's cluster or with the machine, so they are constants.
 */
export const NODE_NAME = "local";
export const NODE_ADDRESS = "10.89.0.1";
export const NODE_INTERFACE = "node0";
export const POD_RANGE = "10.244.0.0/16";
export const SERVICE_RANGE = "10.96.0.0/16";
export const APISERVER_SERVICE_ADDRESS = "10.96.0.1";
export const DNS_SERVICE_ADDRESS = "10.96.0.10";
export const CLUSTER_DOMAIN = "cluster.local";
export const APISERVER_PORT = 6443;
export const XDS_PORT = 8001;

/**
 * The Gateway's listener, and where Contour has Envoy listen for it: 8000 higher. Not 80, for
 * net-gateway-api answers its own probes at 8080 and cannot be told otherwise.
 */
export const GATEWAY_PORT = 88;
export const ENVOY_PORT = 8088;

/** Where our domain's routes live: `<service>.<namespace>.example.com`. */
export const DOMAIN = "example.com";

export const CONTAINERD_SOCKET = "/run/containerd/containerd.sock";
