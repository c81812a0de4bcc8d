import type { ChildProcess } from "node:child_process";
import type { CommandOptions, CommandResult } from "../go/command.ts";
import type { ProcessId } from "../go/process-id.ts";
import type { Daemon } from "./daemon.ts";

export const PROVIDERS = ["built", "k3s", "kubeconfig"] as const;

/** Where a cluster comes from; docs/cluster.md says what each one is. */
export type ProviderName = (typeof PROVIDERS)[number];

export interface SpawnOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly stdio?: "inherit" | "pipe" | "ignore";
}

export interface ServerSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly logPath: string;
}

/** A Kubernetes cluster with Knative Serving, ready for use. */
export interface Cluster {
  readonly provider: ProviderName;
  /** Path of a kubeconfig that may do everything. Its server answers where `exec` runs. */
  readonly kubeconfig: string;
  /** Where requests enter, with the Host header of a Knative route; reached where `exec` runs. */
  readonly ingress: { readonly host: string; readonly port: number };
  /** An address of the node, at which pods reach a server that `spawn` started. */
  readonly nodeAddress: string;
  /** The API server's log of writes (audit.ts reads it), where there is one. */
  readonly auditLog: string | undefined;
  /** Environment for commands: KUBECONFIG, and kubectl and its like on the PATH. */
  readonly env: NodeJS.ProcessEnv;
  /**
   * Runs a command where the cluster's addresses can be reached, to its end. Here and below, the
   * environment given is added to `env`.
   */
  readonly exec: (
    command: string,
    args: readonly string[],
    options?: CommandOptions,
  ) => Promise<CommandResult>;
  /** Starts a command where the cluster's addresses can be reached. */
  readonly spawn: (
    command: string,
    args: readonly string[],
    options?: SpawnOptions,
  ) => ChildProcess;
  /** Starts a server there, which ends with this process, whatever ends it. */
  readonly startServer: (server: ServerSpec) => Promise<Daemon>;
  /** Makes an image in `docker save` format known to every node, under the tags it names. */
  readonly importImage: (tarPath: string) => Promise<void>;
  /** The cluster's own processes, by name ("kubelet", "envoy", ...); none elsewhere than built. */
  readonly processes: Readonly<Record<string, ProcessId>>;
}

/** What each kind of cluster must be able to do. */
export interface Provider {
  /** Starts the cluster, or finds it running. */
  readonly up: () => Promise<Cluster>;
  /** The running cluster; undefined when none runs. */
  readonly find: () => Promise<Cluster | undefined>;
  /** Ends it and removes whatever it left; nothing to end is no error. */
  readonly down: () => Promise<void>;
  /** A few lines for a person. */
  readonly status: () => Promise<string>;
  /** Log file of one process, for `logs NAME`. */
  readonly logPath: (name: string) => string | undefined;
}
