/**
 * A model server of one's own: anything that speaks HTTP on $PORT can be one. This one answers with
 * how unusual numbers are, and speaks as much of the Open Inference Protocol v2 as that needs.
 */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";

const NAME = "outliers";
const BODY_BYTES_MAX = 1024 * 1024;

/** What a client did wrong, and the status that says so. */
class RequestError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** How many standard deviations each value is away from the mean of all. */
export function scores(values: readonly number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const deviation = Math.sqrt(variance) || 1;
  return values.map((value) => (value - mean) / deviation);
}

const TENSOR = { datatype: "FP64", shape: [-1] };
const METADATA = {
  name: NAME,
  versions: ["1"],
  platform: "nodejs",
  inputs: [{ name: "values", ...TENSOR }],
  outputs: [{ name: "scores", ...TENSOR }],
};

async function answer(request: IncomingMessage): Promise<object> {
  switch (`${request.method} ${request.url}`) {
    case "GET /v2/health/live":
    case "GET /v2/health/ready":
      return {};
    case `GET /v2/models/${NAME}`:
      return METADATA;
    case `GET /v2/models/${NAME}/ready`:
      return { name: NAME, ready: true };
    case `POST /v2/models/${NAME}/infer`: {
      const values = parseValues(await readBody(request));
      const output = { name: "scores", datatype: "FP64", shape: [values.length] };
      return { model_name: NAME, outputs: [{ ...output, data: scores(values) }] };
    }
    default:
      throw new RequestError(404, `nothing at ${request.method} ${request.url}`);
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    // What is too much is read on but not kept: a client that is cut off never sees why.
    if ((bytes += chunk.length) <= BODY_BYTES_MAX) chunks.push(chunk);
  }
  if (bytes > BODY_BYTES_MAX) {
    throw new RequestError(413, `the body is larger than ${BODY_BYTES_MAX} bytes`);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseValues(body: string): number[] {
  const expected = 'expected {"inputs": [{"name": "values", "data": [numbers]}]}';
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    throw new RequestError(400, `the body is no JSON; ${expected}`);
  }
  const inputs = (parsed as { inputs?: unknown } | null)?.inputs;
  const input: unknown = Array.isArray(inputs) ? inputs[0] : undefined;
  const data = (input as { data?: unknown } | undefined)?.data;
  if (!Array.isArray(data) || data.length === 0 || !data.every(Number.isFinite)) {
    throw new RequestError(400, expected);
  }
  return data as number[];
}

async function handle(request: IncomingMessage, reply: ServerResponse): Promise<void> {
  let status = 200;
  let body: object;
  try {
    body = await answer(request);
  } catch (error) {
    status = error instanceof RequestError ? error.status : 500;
    body = { error: error instanceof RequestError ? error.message : "internal error" };
  }
  reply.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** Ends with code 0 once the requests in flight are answered: Kubernetes sends SIGTERM first. */
function stopOn(signal: NodeJS.Signals, server: Server): void {
  process.once(signal, () => {
    server.close();
    server.closeIdleConnections();
  });
}

if (import.meta.main) {
  const server = createServer((request, reply) => void handle(request, reply));
  stopOn("SIGTERM", server);
  stopOn("SIGINT", server);
  server.listen(Number(process.env["PORT"] ?? 8080), process.env["HOST"] ?? "0.0.0.0", () => {
    process.stdout.write(`listening ${JSON.stringify(server.address())}\n`);
  });
}
