import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { after, before, describe, it } from "mocha";
import { parse } from "yaml";

describe("examples/custom-container", () => {
  let server: ChildProcessByStdio<null, Readable, null>;
  let url: string;

  before(async () => {
    server = spawn(process.execPath, [join(import.meta.dirname, "server.ts")], {
      env: { HOST: "127.0.0.1", PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(server.stdout, "data")) as [Buffer];
    const { port } = JSON.parse(String(line).replace("listening ", "")) as { port: number };
    url = `http://127.0.0.1:${port}`;
  });

  after(async () => {
    if (server.exitCode !== null) return;
    const exited = once(server, "exit");
    server.kill("SIGKILL");
    await exited;
  });

  const post = (body: string): Promise<Response> =>
    fetch(`${url}/v2/models/outliers/infer`, { method: "POST", body });

  it("finds the odd one out of request.json", async () => {
    const reply = await post(await readFile(join(import.meta.dirname, "request.json"), "utf8"));
    const { outputs } = (await reply.json()) as { outputs: { data: number[] }[] };
    const [last = 0, ...others] = (outputs[0]?.data ?? []).toReversed();
    assert.ok(last > 2, `${last}`);
    assert.ok(others.every((score) => Math.abs(score) < 1));
    assert.equal(others.length, 5);
  });

  it("says what a client did wrong", async () => {
    for (const body of [
      "",
      "{}",
      "null",
      '{"inputs": [{"data": []}]}',
      '{"inputs": [{"data": ["a"]}]}',
    ]) {
      const reply = await post(body);
      assert.equal(reply.status, 400, body);
      assert.match(await reply.text(), /expected/);
    }
    assert.equal((await fetch(`${url}/elsewhere`)).status, 404);
    assert.equal((await post(`[${"1,".repeat(600_000)}1]`)).status, 413);
  });

  it("is ready where isvc.yaml asks, on the port that it names", async () => {
    const manifest = parse(await readFile(join(import.meta.dirname, "isvc.yaml"), "utf8")) as {
      spec: {
        predictor: {
          containers: {
            ports: { containerPort: number }[];
            readinessProbe: { httpGet: { path: string } };
          }[];
        };
      };
    };
    const [container] = manifest.spec.predictor.containers;
    assert.equal(container?.ports[0]?.containerPort, 8080);
    const reply = await fetch(url + (container?.readinessProbe.httpGet.path ?? ""));
    assert.equal(reply.status, 200);
  });

  it("ends with code 0 on SIGTERM", async () => {
    const exited = once(server, "exit");
    server.kill("SIGTERM");
    assert.deepEqual(await exited, [0, null]);
  });
});
