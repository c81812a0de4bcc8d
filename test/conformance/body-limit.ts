import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { modelPath } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A body of ten gigabytes is refused before it is sent: 413.",
  source: "RFC 9110",
  check: async (target) => {
    const { hostname, port } = new URL(target.url);
    const socket = connect(Number(port || 80), hostname);
    const path = modelPath(target, "/infer");
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n{`);
    socket.setTimeout(5000, () => socket.destroy(new Error("no answer within 5 s")));
    const [first] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    assert.match(first.toString("latin1"), /^HTTP\/1\.1 413 /);
  },
};
