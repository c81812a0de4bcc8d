import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { routeRequest, routingConflict } from "./route.ts";

const iris = { name: "iris", namespace: "default", modelName: "iris" };
const voice = { name: "voice", namespace: "speech", modelName: "voice" };
const otherIris = { name: "iris", namespace: "speech", modelName: "iris" };

describe("routeRequest", () => {
  const two = [iris, voice];
  const rows = [
    { all: [iris], host: undefined, path: "/", want: iris, why: "there is only one" },
    {
      all: [iris],
      host: "localhost",
      path: "/v2/models/other/infer",
      want: iris,
      why: "the only one says itself that it has no such model",
    },
    {
      all: two,
      host: "voice.speech.example.com",
      path: "/",
      want: voice,
      why: "Host of a cluster",
    },
    {
      all: two,
      host: "Voice-Predictor.speech.svc.cluster.local:80",
      path: "/v2/models/iris/infer",
      want: voice,
      why: "Host wins over path, without case and port",
    },
    { all: two, host: "localhost:8080", path: "/v2/models/voice", want: voice, why: "path, v2" },
    { all: two, host: "localhost", path: "/v1/models/iris:predict", want: iris, why: "path, v1" },
    { all: two, host: undefined, path: "/v2/models/iris?x=/", want: iris, why: "path with query" },
    { all: two, host: "l", path: "/v2/models/%69ris/infer", want: iris, why: "path, encoded" },
    {
      all: [iris, otherIris],
      host: "iris.speech",
      path: "/v2/models/iris",
      want: otherIris,
      why: "namesakes are told apart by Host",
    },
  ];
  for (const { all, host, path, want, why } of rows) {
    it(`${host} ${path} → ${want.name}.${want.namespace}: ${why}`, () => {
      assert.deepEqual(routeRequest(all, host, path), { service: want });
    });
  }

  const unrouted = [
    { all: two, path: "/v2/health/ready", message: /several models.*iris\.default, voice\.speech/ },
    { all: two, path: "/v2/models/irsi/infer", message: /no model irsi.*iris\.default/ },
    { all: two, path: "/v2/models/%/infer", message: /no model %/ },
    { all: [iris, otherIris], path: "/v2/models/iris", message: /several models are called iris/ },
    { all: [], path: "/", message: /several models/ },
  ];
  for (const { all, path, message } of unrouted) {
    it(`${path} is answered 404 with ${message}`, () => {
      const route = routeRequest(all, "localhost", path);
      assert.ok("status" in route);
      assert.equal(route.status, 404);
      assert.match(route.message, message);
    });
  }
});

describe("routingConflict", () => {
  it("names a service that is given twice; the same name in two namespaces is none", () => {
    assert.equal(routingConflict([iris, otherIris]), undefined);
    assert.equal(
      routingConflict([iris, voice, iris]),
      "InferenceService default/iris is given twice",
    );
  });
});
