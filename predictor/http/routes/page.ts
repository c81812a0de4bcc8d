/** The page for people and the OpenAPI document: what this service is, and how to use it. */
import { openApi } from "../../protocol/openapi.ts";
import type { AppOptions, Serve } from "./route.ts";
import { sendValue } from "./route.ts";

/** Adds `/docs` and what it loads, and `/openapi.json`. The root shows the page to browsers. */
export function addPageRoutes(serve: Serve, { service, version }: AppOptions): void {
  for (const [path, file] of [
    ["/docs", "page"],
    ["/docs/page.js", "script"],
    ["/docs/page.css", "style"],
  ] as const) {
    serve(path, {
      get: async (_, response) => {
        const { sendPage } = await import("../../page/page.ts");
        sendPage(response, file);
      },
    });
  }
  serve("/openapi.json", {
    get: async (_, response) => {
      // Of models that are loaded: to describe the others would load them all.
      const loaded = service.models().filter(({ state }) => state === "READY");
      const models = await Promise.all(loaded.map(async ({ name }) => service.modelNamed(name)));
      const described = models.map(({ name, default: { signature } }) => ({ name, signature }));
      sendValue(response, openApi(version, described));
    },
  });
}
