import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "mocha";

import { completeEntries, digestEntries, writeLayer } from "./layer.ts";
import type { LayerEntry } from "./layer.ts";

describe("completeEntries", () => {
  it("adds the folders above each entry and sorts", () => {
    const entries: LayerEntry[] = [
      { kind: "text", path: "/etc/b", text: "b" },
      { kind: "text", path: "/etc/a/x", text: "x" },
      { kind: "folder", path: "/etc/a", mode: 0o700 },
    ];
    const found = completeEntries(entries);
    assert.deepEqual(
      found.map(({ path }) => path),
      ["/etc", "/etc/a", "/etc/a/x", "/etc/b"],
    );
    assert.deepEqual(found[1], { kind: "folder", path: "/etc/a", mode: 0o700 });
  });
});

describe("writeLayer", () => {
  it("writes the same bytes for the same content, wherever and whenever it was made", async () => {
    const root = await mkdtemp(join(tmpdir(), "layer-"));
    try {
      const layers = await Promise.all(["one", "two"].map((name) => layerOf(root, name, "same")));
      assert.deepEqual(layers[0], layers[1]);
      // The time of the first header, as tar writes it: in the year 1970.
      assert.match(layers[0]?.bytes.toString("latin1", 136, 147) ?? "", /^0+$/);
      const other = await layerOf(root, "three", "other");
      assert.notEqual(other.digest, layers[0]?.digest);
      assert.notDeepEqual(other.bytes, layers[0]?.bytes);
    } finally {
      await rm(root, { recursive: true });
    }
  });

  async function layerOf(
    root: string,
    name: string,
    content: string,
  ): Promise<{ digest: string; bytes: Buffer }> {
    const source = join(root, name, "file");
    await mkdir(join(root, name));
    await writeFile(source, content);
    await utimes(source, name.length * 1000, name.length * 1000);
    const entries: LayerEntry[] = [
      { kind: "link", path: "/opt/link", target: "file" },
      { kind: "file", path: "/opt/file", source, mode: 0o644 },
    ];
    const path = join(root, `${name}.tar`);
    await writeLayer(name === "two" ? entries.toReversed() : entries, path);
    return { digest: await digestEntries(entries), bytes: await readFile(path) };
  }
});
