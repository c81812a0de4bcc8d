/**
 * The smallest program that keeps docs/runtime-contract.md, for tests of what runs it. `--` flags come from model.args:
 * --start-ms N, --fail CODE:WORDS, --answer-ms N. POST …/infer echoes; GET /env shows its
 * environment; POST /die crashes.
 */
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    "start-ms": { type: "string", default: "0" },
    "answer-ms": { type: "string", default: "0" },
    fail: { type: "string" },
    "stay-ms": { type: "string", default: "0" },
  },
});

if (process.env["PARENT_LIVENESS"] === "stdin") {
  process.stdin.resume().on("close", () => process.exit(1));
}

function fail(code: number, words: string): never {
  writeFileSync(process.env["TERMINATION_LOG"] ?? "/dev/null", words);
  process.exit(code);
}

if (values.fail !== undefined) {
  const [code, ...words] = values.fail.split(":");
  fail(Number(code), words.join(":"));
}

let ready = false;
let inside = 0;
let mostInside = 0;

const server = createServer((request, response) => void answer(request, response));

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  switch (pathname) {
    case "/v2/health/ready":
      response.writeHead(ready ? 200 : 503).end();
      return;
    case "/env":
      response.end(JSON.stringify({ env: process.env, argv: process.argv.slice(2) }));
      return;
    case "/inside":
      response.end(String(inside));
      return;
    case "/headers":
      response.end(JSON.stringify(request.headers));
      return;
    case "/die":
      fail(Number(searchParams.get("code")), "died as asked");
      break;
    case "/abort":
      process.kill(process.pid, "SIGKILL");
      return;
    case "/half":
      // Without a length: only the connection's end tells that something is missing.
      response.writeHead(200);
      response.write("half", () => process.kill(process.pid, "SIGKILL"));
      return;
    case "/refuse-early":
      response.writeHead(413).end("too large");
      // Closed with bytes unread, the connection would be reset, and the answer lost with it.
      request.resume();
      return;
    default:
      await echo(request, response, Number(searchParams.get("ms") ?? values["answer-ms"]));
  }
}

async function echo(request: IncomingMessage, response: ServerResponse, ms: number): Promise<void> {
  inside++;
  mostInside = Math.max(mostInside, inside);
  response.on("close", () => inside--);
  await delay(ms);
  response.setHeader("x-pid", String(process.pid));
  response.setHeader("x-most-inside", String(mostInside));
  response.setHeader("content-type", request.headers["content-type"] ?? "text/plain");
  request.pipe(response);
}

process.on("SIGTERM", () => {
  ready = false;
  server.close(() => {
    void delay(Number(values["stay-ms"])).then(() => process.exit(0));
  });
});

await delay(Number(values["start-ms"]));
server.listen(Number(process.env["PORT"]), process.env["HOST"], () => (ready = true));
