/** A coordination.k8s.io/v1 Lease as leader election reads and writes it; pure. */
import type { Kind } from "../cluster.ts";
import { DecodeError } from "./errors.ts";
import { microTime } from "./micro-time.ts";

export const LEASE_KIND: Kind = {
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  plural: "leases",
  namespaced: true,
};

export interface LeaseRecord {
  readonly resourceVersion: string;
  /** Empty: released. */
  readonly holder: string;
  readonly durationMs: number;
  readonly acquireTime: string | undefined;
  readonly transitions: number;
  /** The object as it was read: what is not ours in it is written back as it was. */
  readonly object: Readonly<Record<string, unknown>>;
}

export function parseLease(value: unknown): LeaseRecord {
  const object = record(value, "object");
  const metadata = record(object["metadata"], "metadata");
  const spec = record(object["spec"] ?? {}, "spec");
  const { resourceVersion } = metadata;
  if (typeof resourceVersion !== "string") throw new DecodeError("a Lease without resourceVersion");
  const { holderIdentity, leaseDurationSeconds, acquireTime, leaseTransitions } = spec;
  return {
    resourceVersion,
    holder: typeof holderIdentity === "string" ? holderIdentity : "",
    durationMs: typeof leaseDurationSeconds === "number" ? leaseDurationSeconds * 1000 : 0,
    acquireTime: typeof acquireTime === "string" ? acquireTime : undefined,
    transitions: typeof leaseTransitions === "number" ? leaseTransitions : 0,
    object,
  };
}

export interface Claim {
  readonly identity: string;
  readonly durationMs: number;
  readonly wallMs: number;
}

export function newLease(namespace: string, name: string, claim: Claim): object {
  const { apiVersion, kind } = LEASE_KIND;
  const time = microTime(claim.wallMs);
  return {
    apiVersion,
    kind,
    metadata: { namespace, name },
    spec: {
      holderIdentity: claim.identity,
      leaseDurationSeconds: seconds(claim.durationMs),
      acquireTime: time,
      renewTime: time,
      leaseTransitions: 0,
    },
  };
}

/** The lease with us as holder: renewed when it is ours already, taken over otherwise. */
export function claimedLease(lease: LeaseRecord, claim: Claim): object {
  const time = microTime(claim.wallMs);
  const ours = lease.holder === claim.identity;
  return withSpec(lease, {
    holderIdentity: claim.identity,
    leaseDurationSeconds: seconds(claim.durationMs),
    acquireTime: ours ? (lease.acquireTime ?? time) : time,
    renewTime: time,
    leaseTransitions: ours ? lease.transitions : lease.transitions + 1,
  });
}

/** The lease given back: whoever waits need not wait for it to run out. */
export function releasedLease(lease: LeaseRecord, wallMs: number): object {
  const time = microTime(wallMs);
  return withSpec(lease, {
    holderIdentity: "",
    leaseDurationSeconds: 1,
    acquireTime: time,
    renewTime: time,
    leaseTransitions: lease.transitions,
  });
}

function withSpec(lease: LeaseRecord, spec: object): object {
  return { ...lease.object, spec: { ...record(lease.object["spec"] ?? {}, "spec"), ...spec } };
}

/** The API counts whole seconds, and at least one. */
function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new DecodeError(`a Lease whose ${what} is no object`);
  }
  return value as Record<string, unknown>;
}
