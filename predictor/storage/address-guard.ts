/**
 * Which addresses a storage URI may lead to. Whoever may write a storage URI must not reach with it
 * what only the pod can: metadata services, and, unless allowed, private networks. The name is
 * resolved once, and the connection goes to the address that was checked (no DNS rebinding).
 */
import { lookup } from "node:dns";
import type { LookupAddress, LookupOptions } from "node:dns";
import { BlockList, isIP } from "node:net";

import { StorageError } from "./storage-error.ts";

/** Metadata services and the like: no model is ever there. */
const never = blockList(
  ["0.0.0.0", 8],
  ["169.254.0.0", 16],
  ["100.100.100.200", 32], // Alibaba's metadata
  ["192.0.0.192", 32], // Oracle's
  ["168.63.129.16", 32], // Azure's
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  ["::", 128],
  ["fe80::", 10],
  ["fd00:ec2::", 32], // AWS' metadata
  ["ff00::", 8],
);

/** RFC 1918, loopback, carrier-grade NAT, unique local, benchmarking: reached with leave only. */
const private_ = blockList(
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["::1", 128],
  ["fc00::", 7],
);

/** 6to4, Teredo and the first form of IPv4 in IPv6: where they lead, a relay decides. */
const tunnels = blockList(["2002::", 16], ["2001::", 32], ["::", 96]);

const HTTPS_PORT = 443;

const names = new Set(["metadata.google.internal", "metadata", "instance-data"]);

/** What an address is refused for; undefined if it may be reached. */
export function refusalOf(address: string, allowPrivate: boolean): string | undefined {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  // ::ffff:7f00:1 is 127.0.0.1, too: as hexadecimal it says so to nobody.
  if (mapped === undefined && /^::ffff:/i.test(address)) return "an IPv4 address in disguise";
  if (/^64:ff9b:/i.test(address)) return "an IPv4 address in disguise";
  const plain = mapped ?? address;
  const family = isIP(plain) === 6 ? "ipv6" : "ipv4";
  if (never.check(plain, family)) return "a link-local, metadata or reserved address";
  if (private_.check(plain, family))
    return allowPrivate ? undefined : "a private or loopback address";
  return tunnels.check(plain, family) ? "an IPv4 address in disguise" : undefined;
}

export interface Reach {
  /** Whether hosts may be in private networks, and behind any port, too. */
  readonly allowPrivate: boolean;
  /** Without private networks, these alone; 443 unless given. */
  readonly ports?: readonly number[];
}

/** Throws StorageError "misconfigured" for a host that is no good whatever it resolves to. */
export function checkHost({ hostname, host, port }: URL, { allowPrivate, ports }: Reach): void {
  const bare = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const why = names.has(bare) ? "a metadata service" : undefined;
  const refusal = isIP(bare) === 0 ? why : refusalOf(bare, allowPrivate);
  if (refusal !== undefined) throw refused(host, refusal);
  const asked = port === "" ? HTTPS_PORT : Number(port);
  if (allowPrivate || (ports ?? [HTTPS_PORT]).includes(asked)) return;
  throw new StorageError(
    "misconfigured",
    `${host}: port ${asked} is not fetched from; name it in ALLOWED_PORTS (443,${asked}) to allow it`,
  );
}

type Callback = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;

/** A `lookup` for Node's sockets that gives only addresses that may be reached, or an error. */
export function guardedLookup(allowPrivate: boolean) {
  return (hostname: string, options: LookupOptions, callback: Callback): void => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, []);
      for (const { address } of addresses) {
        const why = refusalOf(address, allowPrivate);
        // One of many is enough: which of them would be connected to is chance.
        if (why !== undefined) return callback(refused(hostname, why), []);
      }
      if (options.all === true) return callback(null, addresses);
      const [first] = addresses;
      return callback(null, first?.address ?? "", first?.family ?? 0);
    });
  };
}

function refused(host: string, why: string): StorageError {
  const leave = why.startsWith("a private") ? "; set ALLOW_PRIVATE_NETWORKS=true to allow it" : "";
  return new StorageError("misconfigured", `${host} is ${why}, which is not fetched from${leave}`);
}

function blockList(...ranges: readonly (readonly [address: string, prefix: number])[]): BlockList {
  const list = new BlockList();
  for (const [address, prefix] of ranges) {
    list.addSubnet(address, prefix, isIP(address) === 6 ? "ipv6" : "ipv4");
  }
  return list;
}
