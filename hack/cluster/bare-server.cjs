// The least that a Knative Service can run: the floor that cold starts are compared with.
const { createServer } = require("node:http");

const server = createServer((request, response) => {
  response.end("bare\n");
});
server.listen(Number(process.env.PORT ?? 8080), "0.0.0.0");
// As PID 1 Node would ignore the signal, and the pod would wait out its grace period.
process.on("SIGTERM", () => {
  server.close();
  server.closeAllConnections();
});
