/**
 * What kube/ tells the outside about itself. ops/ turns it into log lines and Prometheus series;
 * kube/ knows neither pino nor prom-client.
 */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export type ReconcileResult = "success" | "error" | "requeue" | "requeue_after";
export type RelistReason = "initial" | "410" | "error" | "missing";

export interface KubeMetrics {
  httpRequest(call: { method: string; code: string; host: string; durationMs: number }): void;
  listed(kind: string, items: number, durationMs: number): void;
  watchStarted(kind: string): void;
  relist(kind: string, reason: RelistReason): void;
  watchEvent(kind: string): void;
  cacheItems(kind: string, items: number): void;
  queueAdded(queue: string): void;
  queueDepth(queue: string, depth: number): void;
  queueWaited(queue: string, waitedMs: number): void;
  queueWorked(queue: string, workedMs: number): void;
  queueRetried(queue: string): void;
  reconciled(controller: string, result: ReconcileResult, durationMs: number): void;
  reconcileTimedOut(controller: string): void;
  activeWorkers(controller: string, active: number): void;
  maxWorkers(controller: string, workers: number): void;
  staleCache(controller: string): void;
  wrote(kind: string, verb: "apply" | "apply_status" | "delete"): void;
  leading(lease: string, leading: boolean): void;
  leaseRenewed(lease: string, durationMs: number): void;
  leaseSlowPath(lease: string): void;
  eventDropped(reason: "spam" | "overflow" | "failed"): void;
}

const nothing = (): void => {};

/** Counts nothing: for tests and for programs without a metrics endpoint. */
export const noMetrics: KubeMetrics = {
  httpRequest: nothing,
  listed: nothing,
  watchStarted: nothing,
  relist: nothing,
  watchEvent: nothing,
  cacheItems: nothing,
  queueAdded: nothing,
  queueDepth: nothing,
  queueWaited: nothing,
  queueWorked: nothing,
  queueRetried: nothing,
  reconciled: nothing,
  reconcileTimedOut: nothing,
  activeWorkers: nothing,
  maxWorkers: nothing,
  staleCache: nothing,
  wrote: nothing,
  leading: nothing,
  leaseRenewed: nothing,
  leaseSlowPath: nothing,
  eventDropped: nothing,
};
