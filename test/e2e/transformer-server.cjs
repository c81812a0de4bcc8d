// A transformer for the cluster tests, told where its predictor is as KServe's are: measurements in millimetres come in, the
// predictor gets centimetres, and its answer goes back with the host that was asked.
const { createServer } = require("node:http");
const { parseArgs } = require("node:util");

const { values: told } = parseArgs({
  options: {
    model_name: { type: "string" },
    predictor_host: { type: "string" },
    http_port: { type: "string" },
    enable_predictor_health_check: { type: "boolean" },
  },
});
const route = `/v1/models/${told.model_name}:predict`;
const predictor = `http://${told.predictor_host}`;

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks));
}

async function answer(request) {
  if (request.url === "/v2/health/ready") {
    // Beside the predictor its health is the pod's; one that is elsewhere would be woken.
    if (!told.enable_predictor_health_check) return [200, {}];
    return [(await fetch(`${predictor}/v2/health/ready`)).status, {}];
  }
  if (request.url !== route) return [404, { error: request.url }];
  const { instances } = await read(request);
  const asked = await fetch(`${predictor}${route}`, {
    method: "POST",
    body: JSON.stringify({ instances: instances.map((row) => row.map((mm) => mm / 10)) }),
  });
  const text = await asked.text();
  if (asked.status !== 200) return [502, { error: `${predictor}: ${asked.status}: ${text}` }];
  return [200, { ...JSON.parse(text), asked: told.predictor_host }];
}

const server = createServer((request, reply) => {
  const send = ([status, body]) =>
    reply.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  answer(request).then(send, (error) => send([503, { error: `${error}: ${error.cause}` }]));
});
server.listen(Number(told.http_port));
process.on("SIGTERM", () => server.close());
