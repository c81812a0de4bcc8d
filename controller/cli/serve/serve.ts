/**
 * Serving on this machine: services, their processes and the port in front of them, put together.
 */
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { isIPv6, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { CliError, EXIT } from "../command.ts";
import type { Report } from "./events.ts";
import { Front, type Backend } from "./front.ts";
import type { ServicePlan } from "./plan.ts";
import { PredictorProcess } from "./predictor-process.ts";
import { Service } from "./service.ts";

export interface ServeOptions {
  readonly plans: readonly ServicePlan[];
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly windowMs: number;
  /** The predictor's program, run by this Node. */
  readonly predictor: string;
  /** Whether the predictors' own lines are reported. */
  readonly verbose: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly report: Report;
}

export interface Serving {
  readonly url: string;
  /** No new requests, the last ones answered, all processes ended; `cause` is for the line that says so. */
  drain(cause: string): Promise<void>;
  /** All processes ended at once, without waiting for anything. */
  kill(): void;
}

/** The autoscaler looks every two seconds in a window of sixty, as Knative's does. */
const TICKS_PER_WINDOW = 30;
const TICK_MS = { min: 50, max: 2000 } as const;

/** Listens, and resolves when requests may come. Throws a CliError when the port cannot be had. */
export async function startServing(options: ServeOptions): Promise<Serving> {
  const { plans, report } = options;
  const folder = await mkdtemp(path.join(tmpdir(), "pilotlight-"));
  const backends = plans.map((plan) => backendOf(plan, folder, options));
  const front = new Front(backends);
  try {
    await listen(front.server, options.port, options.host);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  const url = urlOf(front.server, options.host);
  report({ event: "listening", url, predictor: options.predictor });
  for (const { service } of backends) {
    const { name, modelName, scale } = service.plan;
    const { minReplicas, maxReplicas } = scale;
    const target = `${url}/v2/models/${modelName}`;
    report({ event: "serving", service: name, url: target, minReplicas, maxReplicas });
    service.open();
  }
  const tickMs = Math.min(TICK_MS.max, Math.max(TICK_MS.min, options.windowMs / TICKS_PER_WINDOW));
  const ticking = setInterval(() => {
    for (const { service } of backends) {
      service.tick();
    }
  }, tickMs);
  return {
    url,
    async drain(cause) {
      const startedMs = performance.now();
      const inside = backends.reduce((sum, { service }) => sum + service.inside, 0);
      const closed = close(front.server);
      report({ event: "draining", cause, inside });
      await Promise.all(backends.map(async ({ service }) => await service.drain()));
      await front.answered();
      // What is still open is idle, or half of a request's head.
      front.server.closeAllConnections();
      await closed;
      clearInterval(ticking);
      await rm(folder, { recursive: true, force: true });
      report({ event: "stopped", tookMs: performance.now() - startedMs });
    },
    kill() {
      for (const { service } of backends) {
        service.kill();
      }
      // Also called while the program exits, when nothing asynchronous runs any more.
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

function backendOf(plan: ServicePlan, folder: string, options: ServeOptions): Backend {
  const { name, namespace, modelName } = plan;
  const service = new Service<PredictorProcess>({
    plan,
    windowMs: options.windowMs,
    nowMs: () => performance.now(),
    report: options.report,
    launch: (_plan, replica) =>
      new PredictorProcess({
        plan,
        replica,
        program: options.predictor,
        folder,
        env: options.env,
        onOutput: (line) => {
          if (options.verbose) {
            options.report({ event: "output", service: name, replica, line });
          }
        },
      }),
  });
  return { name, namespace, modelName, service };
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, () => {
        server.off("error", reject);
        resolve();
      });
    });
  } catch (error) {
    throw new CliError(EXIT.unavailable, listenComplaint(error, port, host), error);
  }
}

function listenComplaint(error: unknown, port: number, host: string): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "EADDRINUSE":
      return `port ${port} of ${host} is taken; choose another with --port (0 takes a free one)`;
    case "EACCES":
      return `port ${port} of ${host} needs more rights; choose one from 1024 on with --port`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `${host} is no address of this machine; choose one with --host`;
    default:
      return `cannot listen on ${host}:${port}: ${String(error)}`;
  }
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo;
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
