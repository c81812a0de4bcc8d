/** The page for people, as answers: everything from this process, nothing from elsewhere. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { css, html, script } from "./assets.gen.ts";

/** Scripts, styles and requests of the page's own origin only; pictures may come from a file. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const files: Readonly<Record<string, readonly [type: string, text: string]>> = {
  page: ["text/html; charset=utf-8", html],
  script: ["text/javascript; charset=utf-8", script],
  style: ["text/css; charset=utf-8", css],
};

/** Answers with a file of the page. */
export function sendPage(response: ServerResponse, file: "page" | "script" | "style"): void {
  const [type, text] = files[file] ?? ["text/plain", ""];
  const body = Buffer.from(text);
  response.writeHead(200, {
    "content-type": type,
    "content-length": body.byteLength,
    "cache-control": "no-cache",
    "content-security-policy": policy,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    vary: "accept",
  });
  response.end(body);
}

/** Whether a browser asks: it names text/html, which tools do not. */
export function wantsPage({ headers }: IncomingMessage): boolean {
  return headers.accept?.includes("text/html") ?? false;
}
