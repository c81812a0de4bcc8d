import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { after, afterEach, before, describe, it } from "mocha";
import type { Pod } from "../observe/pods.ts";
import { parseCounts } from "./exposition.ts";
import { createMeter, type Meter } from "./metrics.ts";
import { quantile } from "./tally.ts";

const SINCE = Date.parse("2026-11-22T12:00:00Z");

function predictorPage(success: number, backend: number, fast = success): string {
  return `# HELP nv_inference_request_success Requests answered with a result
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="iris",version="1"} ${success}
nv_inference_request_failure{model="iris",version="1",reason="BACKEND"} ${backend}
nv_inference_request_failure{model="iris",version="1",reason="OTHER"} 1000
nv_inference_request_failure{model="iris",version="1",reason="CANCELED"} 1000
pilotlight_request_seconds_bucket{le="0.01",model="iris"} ${fast}
pilotlight_request_seconds_bucket{le="0.1",model="iris"} ${fast}
pilotlight_request_seconds_bucket{le="1",model="iris"} ${success}
pilotlight_request_seconds_bucket{le="+Inf",model="iris"} ${success}
`;
}

describe("parseCounts", () => {
  it("counts the predictor's results and the failures that are the server's fault", () => {
    const counts = parseCounts(predictorPage(90, 10));
    assert.deepEqual([counts?.requests, counts?.errors], [100, 10]);
    assert.equal(counts?.buckets.get(Number.POSITIVE_INFINITY), 90);
  });

  it("counts queue-proxy's answers by their status", () => {
    const lines = [200, 404, 429, 500, 503].map(
      (status) =>
        `kn_serving_invocation_duration_seconds_count{http_response_status_code="${status}",x="a\\"b"} 2`,
    );
    const counts = parseCounts(lines.join("\n"));
    assert.deepEqual([counts?.requests, counts?.errors], [10, 6]);
  });

  it("knows no other dialect, and no text that is none", () => {
    assert.equal(parseCounts("process_cpu_seconds_total 1\n"), undefined);
    assert.equal(parseCounts("<html>nv_inference_request_success</html>"), undefined);
  });
});

describe("quantile", () => {
  const buckets = new Map([
    [0.1, 50],
    [0.2, 90],
    [1, 100],
    [Number.POSITIVE_INFINITY, 100],
  ]);
  it("is linear within a bucket, and the last bound beyond", () => {
    assert.equal(quantile(buckets, 0.5), 0.1);
    assert.ok(Math.abs((quantile(buckets, 0.95) ?? 0) - 0.6) < 1e-9);
    assert.equal(
      quantile(
        new Map([
          [1, 0],
          [Number.POSITIVE_INFINITY, 9],
        ]),
        0.95,
      ),
      1,
    );
    assert.equal(quantile(new Map(), 0.95), undefined);
  });
});

describe("the meter", () => {
  const answers = new Map<string, RequestListener>();
  const server = createServer((asked, response) => {
    const answer = answers.get(asked.socket.localAddress ?? "");
    if (answer === undefined) {
      response.writeHead(404).end();
    } else {
      answer(asked, response);
    }
  });
  let port = 0;
  let meter: Meter;

  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
    ({ port } = server.address() as AddressInfo);
    meter = createMeter();
  });
  afterEach(() => {
    answers.clear();
    meter.forget("ns/a");
  });
  after(async () => {
    await meter.close();
    server.close();
  });

  const says = (ip: string, text: string): void => {
    answers.set(ip, (_, response) => response.end(text));
  };
  const pod = (name: string, podIP: string, made = SINCE + 1000): Pod => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, creationTimestamp: new Date(made).toISOString() },
    status: { podIP, conditions: [{ type: "Ready", status: "True" }] },
  });
  const ask = (step: string, ...pods: readonly Pod[]): ReturnType<Meter["measure"]> =>
    meter.measure({ key: "ns/a", step, sinceMs: SINCE, pods, ports: [port] });

  it("counts from the step's beginning, all pods together", async () => {
    says("127.0.0.1", predictorPage(100, 0));
    says("127.0.0.2", predictorPage(10, 10, 5));
    const [old, young] = [pod("old", "127.0.0.1", SINCE - 5000), pod("young", "127.0.0.2")];
    assert.deepEqual(await ask("1", old, young), { requests: 20, errors: 10, latencyP95Ms: 910 });
    says("127.0.0.1", predictorPage(105, 1));
    assert.deepEqual(await ask("1", old, young), { requests: 26, errors: 11, latencyP95Ms: 865 });
    assert.deepEqual(await ask("2", old, young), { requests: 0, errors: 0 });
  });

  it("keeps what a pod counted that is gone, and goes on with a container that restarted", async () => {
    says("127.0.0.1", predictorPage(30, 3));
    await ask("1", pod("a", "127.0.0.1"));
    says("127.0.0.1", predictorPage(2, 1));
    const restarted = await ask("1", pod("a", "127.0.0.1"));
    assert.ok(typeof restarted === "object");
    assert.deepEqual([restarted.requests, restarted.errors], [36, 4]);
    const gone = await ask("1");
    assert.ok(typeof gone === "object");
    assert.deepEqual([gone.requests, gone.errors], [36, 4]);
  });

  it("says why nobody knows: no metrics, an error, nobody there, too much", async () => {
    const cases: readonly [string, RequestListener | undefined][] = [
      ["no metrics of requests", (_, response) => response.end("up 1\n")],
      ["/metrics answers 404", undefined],
      ["larger than", (_, response) => response.end("x".repeat(2 * 1024 * 1024))],
    ];
    for (const [words, answer] of cases) {
      answers.clear();
      if (answer !== undefined) {
        answers.set("127.0.0.1", answer);
      }
      const found = await ask("1", pod("a", "127.0.0.1"));
      assert.ok(typeof found === "string" && found.includes(words), JSON.stringify(found));
    }
  });

  it("does not wait for a pod that never ends its answer", async () => {
    answers.set("127.0.0.1", (_, response) => response.write("nv_"));
    const found = await ask("1", pod("a", "127.0.0.1"));
    assert.ok(typeof found === "string" && found.includes("timeout"), JSON.stringify(found));
  });
});
