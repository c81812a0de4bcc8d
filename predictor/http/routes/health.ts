/** Probes, metrics, and the root. */
import { sendJson } from "../answer.ts";
import { answerEvent } from "./events.ts";
import type { AppOptions, Serve } from "./route.ts";

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
  serve("/v2/health/live", { get: (_, response) => sendJson(response, 200, '{"live":true}') });
  serve("/v2/health/ready", { get: (_, response) => sendReady(response, service.ready) });
  serve("/metrics", {
    get: async (_, response) => {
      const text = await metrics.render();
      response.writeHead(200, { "content-type": metrics.contentType }).end(text);
    },
  });
}

function sendReady(response: Parameters<typeof sendJson>[0], ready: boolean): void {
  if (!ready) response.setHeader("retry-after", "1");
  sendJson(response, ready ? 200 : 503, `{"ready":${ready}}`);
}
