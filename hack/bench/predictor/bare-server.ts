/**
 * A server that reads what it is sent and does nothing with it: what the load generator can do at
 * most, and what any server's health takes beside a model. Asked at /after/MS, it answers so many
 * milliseconds later.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { announce } from "./server.ts";

const answer = Buffer.from('{"outputs":[]}');
const server = createServer((request, response) => {
  const afterMs = Number(/^\/after\/(\d+)$/.exec(request.url ?? "")?.[1] ?? 0);
  const send = (): void => {
    response.writeHead(200, { "content-length": answer.byteLength }).end(answer);
  };
  request.resume().once("end", () => {
    if (afterMs > 0) setTimeout(send, afterMs);
    else send();
  });
});
server.listen(0, "127.0.0.1", () => announce((server.address() as AddressInfo).port));
