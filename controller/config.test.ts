import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "mocha";
import { ConfigError, readConfig } from "./config.ts";

describe("config", () => {
  it("an image is all that must be said", () => {
    const config = readConfig({ PREDICTOR_IMAGE: "predictor:1" });
    assert.equal(config.predictor.image, "predictor:1");
    assert.equal(config.opsPort, 8081);
    assert.deepEqual(config.watchNamespaces, []);
    assert.equal(config.leaderElection.enabled, true);
    assert.ok(Object.isFrozen(config));
  });

  it("all mistakes are reported at once, each with its value", () => {
    assert.throws(
      () =>
        readConfig({ OPS_PORT: "http", WORKERS: "0", LOG_LEVEL: "loud", LEADER_ELECTION: "no" }),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        const lines = error.message.split("\n");
        assert.equal(lines.length, 5);
        for (const word of ['"http"', '"0"', '"loud"', '"no"', "predictor image"]) {
          assert.ok(error.message.includes(word), word);
        }
        return true;
      },
    );
  });

  it("namespaces are a list with commas", () => {
    const config = readConfig({ PREDICTOR_IMAGE: "p", WATCH_NAMESPACES: "a, b,," });
    assert.deepEqual(config.watchNamespaces, ["a", "b"]);
  });

  it("the mounted file names image and resources; the environment wins", () => {
    const folder = mkdtempSync(join(tmpdir(), "config-"));
    try {
      const file = join(folder, "config.yaml");
      writeFileSync(file, "predictor: {image: from-file, resources: {requests: {cpu: 1}}}");
      const fromFile = readConfig({ CONFIG_FILE: file });
      assert.equal(fromFile.predictor.image, "from-file");
      assert.deepEqual(fromFile.predictor.resources, { requests: { cpu: 1 } });
      assert.equal(readConfig({ CONFIG_FILE: file, PREDICTOR_IMAGE: "x" }).predictor.image, "x");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("hosts of models are names, or everything below one", () => {
    const folder = mkdtempSync(join(tmpdir(), "config-"));
    const read = (storage: string): ReturnType<typeof readConfig> => {
      const file = join(folder, "config.yaml");
      writeFileSync(file, `storage: ${storage}`);
      return readConfig({ PREDICTOR_IMAGE: "p", CONFIG_FILE: file });
    };
    try {
      const { modelHosts } = read("{allowedHosts: [m.example.com, '*.hub.example.com']}").predictor;
      const allowed = ["m.example.com", "*.hub.example.com"];
      assert.deepEqual(modelHosts, { allowed, denied: [] });
      assert.equal(read("{allowedHosts: [], deniedHosts: []}").predictor.modelHosts, undefined);
      const scheme = "{deniedHosts: [evil.example.com, 'https://evil.example.com']}";
      assert.throws(
        () => read(scheme),
        /storage\.deniedHosts has "https:\/\/evil\.example\.com": write/,
      );
      assert.throws(() => read("{allowedHosts: 7}"), /storage\.allowedHosts has 7: write/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("a file that cannot be read is a mistake, not a default", () => {
    assert.throws(
      () => readConfig({ PREDICTOR_IMAGE: "p", CONFIG_FILE: "/nowhere/config.yaml" }),
      /CONFIG_FILE \/nowhere\/config\.yaml cannot be read/,
    );
  });
});
