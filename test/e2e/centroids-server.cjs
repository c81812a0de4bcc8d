// A model server that is not Pilotlight's, for the cluster tests: it serves the nearest of a few centroids, which it reads from
// /mnt/models/centroids.json, and knows nothing of storage.
const { readFileSync } = require("node:fs");
const { createServer } = require("node:http");

const name = process.argv.find((argument) => argument.startsWith("--model-name=")).split("=")[1];
const { centroids } = JSON.parse(readFileSync("/mnt/models/centroids.json", "utf8"));

function nearest(row) {
  const distances = centroids.map((centroid) =>
    centroid.reduce((sum, value, at) => sum + (value - row[at]) ** 2, 0),
  );
  return distances.indexOf(Math.min(...distances));
}

const server = createServer((request, reply) => {
  const answer = (status, body) =>
    reply.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  if (request.url === "/v2/health/ready") return answer(200, {});
  if (request.url !== `/v2/models/${name}/infer`) return answer(404, { error: request.url });
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const [input] = JSON.parse(Buffer.concat(chunks)).inputs;
    const [rows, columns] = input.shape;
    const flat = input.data.flat(Infinity);
    const data = Array.from({ length: rows }, (_, at) =>
      nearest(flat.slice(at * columns, (at + 1) * columns)),
    );
    const outputs = [{ name: "label", datatype: "INT64", shape: [rows], data }];
    answer(200, { model_name: name, outputs, served_by: "centroids" });
  });
});
server.listen(Number(process.env.PORT));
process.on("SIGTERM", () => server.close());
