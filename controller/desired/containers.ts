/** Containers of the user's own: what Knative would refuse in them, said before it is asked. */
import type { Refusal } from "./refusal.ts";
import { checkShape } from "./pod.ts";
import { CONTAINER } from "./shapes.ts";
import { unsupported } from "./unsupported.ts";

/** Ports of Knative's queue-proxy (its pkg/apis/serving/k8s_validation.go). */
const RESERVED_PORTS = new Set([8008, 8012, 8013, 8022, 9090, 9091]);
const RESERVED_PATHS = new Set(["/", "/dev", "/dev/log"]);
/** Knative sets them. PORT is its own in the container that serves alone. */
const RESERVED_ENV = ["K_SERVICE", "K_CONFIGURATION", "K_REVISION"];

interface Checked {
  readonly name?: string;
  readonly env?: readonly { readonly name: string }[];
  readonly ports?: readonly { readonly containerPort: number; readonly name?: string }[];
  readonly volumeMounts?: readonly {
    /** A text, where the schema does not leave open what there is. */
    readonly mountPath?: unknown;
    readonly mountPropagation?: string;
  }[];
  readonly securityContext?: { readonly privileged?: unknown };
}

/** `serves`: whether requests go to this container. */
export function checkContainer(
  container: Checked,
  path: string,
  serves: boolean,
): Refusal | undefined {
  return (
    unsupported(container, path, ["container"]) ??
    checkShape(CONTAINER, container, path) ??
    checkName(container, path) ??
    checkPorts(container, path, serves) ??
    checkEnv(container, path, serves) ??
    checkPrivileges(container, path) ??
    checkMounts(container, path)
  );
}

function checkName({ name }: Checked, path: string): Refusal | undefined {
  return name === "queue-proxy"
    ? invalid(`${path}.name must not be queue-proxy: Knative's own container has that name`)
    : undefined;
}

function checkPorts({ ports = [] }: Checked, path: string, serves: boolean): Refusal | undefined {
  const [port, second] = ports;
  if (second !== undefined) {
    return invalid(
      `${path}.ports has ${ports.length} ports, but Knative routes to one: keep the one that requests go to (name it h2c for gRPC)`,
    );
  }
  if (port === undefined) {
    return undefined;
  }
  if (!serves) {
    return invalid(
      `${path}.ports must be empty: Knative routes to one container of the pod, and this is not it`,
    );
  }
  if (RESERVED_PORTS.has(port.containerPort)) {
    return invalid(
      `${path}.ports[0].containerPort ${port.containerPort} is taken by Knative's queue-proxy; listen on another, e.g. 8080`,
    );
  }
  return ["", "http1", "h2c", "user-port"].includes(port.name ?? "")
    ? undefined
    : invalid(
        `${path}.ports[0].name "${port.name}" is not known to Knative: http1 for HTTP (the default), h2c for gRPC`,
      );
}

function checkEnv({ env = [] }: Checked, path: string, serves: boolean): Refusal | undefined {
  const reserved = serves ? ["PORT", ...RESERVED_ENV] : RESERVED_ENV;
  const found = env.find(({ name }) => reserved.includes(name));
  return found === undefined
    ? undefined
    : invalid(`${path}.env must not set ${found.name}: Knative sets it`);
}

/** What the mask of its fields lets through, and the values not. */
function checkPrivileges(
  { securityContext, volumeMounts = [] }: Checked,
  path: string,
): Refusal | undefined {
  if (securityContext?.privileged === true) {
    return invalid(
      `${path}.securityContext.privileged must not be true: Knative runs no privileged containers; ask for a device by its resource, in resources.limits`,
    );
  }
  return volumeMounts.some(({ mountPropagation }) => mountPropagation === "Bidirectional")
    ? invalid(
        `${path}.volumeMounts must not have mountPropagation Bidirectional, which is for privileged containers: None or HostToContainer`,
      )
    : undefined;
}

function checkMounts({ volumeMounts = [] }: Checked, path: string): Refusal | undefined {
  for (const [at, { mountPath }] of volumeMounts.entries()) {
    if (typeof mountPath !== "string" || !mountPath.startsWith("/")) {
      return invalid(`${path}.volumeMounts[${at}].mountPath must be an absolute path`);
    }
    if (RESERVED_PATHS.has(mountPath.replace(/(.)\/+$/, "$1"))) {
      return invalid(
        `${path}.volumeMounts must not have mountPath ${mountPath}: Knative reserves it`,
      );
    }
  }
  return undefined;
}

function invalid(message: string): Refusal {
  return { reason: "InvalidContainer", message };
}
