/** A server that does nothing: what the load generator can do at most. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { announce } from "./server.ts";

const answer = Buffer.from('{"outputs":[]}');
const server = createServer((request, response) => {
  request.resume().once("end", () => {
    response.writeHead(200, { "content-length": answer.byteLength }).end(answer);
  });
});
server.listen(0, "127.0.0.1", () => announce((server.address() as AddressInfo).port));
