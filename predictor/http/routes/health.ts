/** Probes, metrics, and the root. */
import type { ServerResponse } from "node:http";
import { sendJson } from "../answer.ts";
import type { Service } from "../service.ts";
import { answerEvent } from "./events.ts";
import type { AppOptions, Serve } from "./route.ts";

type AnswerProbe = (response: ServerResponse, service: Service) => void;

/**
 * Probes by their path. They come while a model has all CPUs and their caches, where a router's
 * dozen expressions take a millisecond: the server asks here first.
 */
export const probes: ReadonlyMap<string, AnswerProbe> = new Map<string, AnswerProbe>([
  ["/v2/health/live", (response) => sendJson(response, 200, '{"live":true}')],
  ["/v2/health/ready", (response, service) => sendReady(response, service.ready)],
]);

/** Adds `/`, `/v2/health/*` and `/metrics`. */
export function addHealthRoutes(serve: Serve, options: AppOptions): void {
  const { service, metrics } = options;
  serve("/", {
    get: async (request, response) => {
      const { sendPage, wantsPage } = await import("../../page/page.ts");
      if (wantsPage(request)) sendPage(response, "page");
      else sendJson(response, 200, '{"status":"alive"}');
    },
    post: async (request, response) => answerEvent(request, response, options),
  });
  for (const [path, answer] of probes) {
    serve(path, { get: (_, response) => answer(response, service) });
  }
  serve("/metrics", {
    get: async (_, response) => {
      const text = await metrics.render();
      response.writeHead(200, { "content-type": metrics.contentType }).end(text);
    },
  });
}

function sendReady(response: ServerResponse, ready: boolean): void {
  if (!ready) response.setHeader("retry-after", "1");
  sendJson(response, ready ? 200 : 503, `{"ready":${ready}}`);
}
