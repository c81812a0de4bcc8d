import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "mocha";
import { mountPointsBelow, removeCluster } from "./leftovers.ts";
import { pathsOf, readState, writeState } from "./state.ts";

const MOUNTINFO = `22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:21 / /state/a rw - tmpfs tmpfs rw
31 30 0:22 / /state/a/inner\\040one rw - tmpfs tmpfs rw
32 22 0:23 / /state-of-another/b rw - tmpfs tmpfs rw
33 22 0:24 / /state rw - tmpfs tmpfs rw
`;

describe("mountPointsBelow", () => {
  it("gives what is below the folder, the innermost first", () => {
    assert.deepEqual(mountPointsBelow(MOUNTINFO, "/state"), ["/state/a/inner one", "/state/a"]);
  });
});

describe("removeCluster", () => {
  it("never touches a process that only has the number of one it recorded", async () => {
    const cache = await mkdtemp(join(tmpdir(), "plstate-"));
    const before = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = cache;
    try {
      const paths = pathsOf("/some/checkout");
      const stranger = { pid: process.pid, startTicks: "1" };
      await writeState(paths, {
        fingerprint: "f",
        checkout: "/some/checkout",
        ready: true,
        guard: stranger,
        init: stranger,
        processes: { kubelet: stranger },
      });
      await mkdir(join(paths.folder, "containerd"));
      assert.equal((await readState(paths))?.ready, true);
      await removeCluster(paths);
      assert.equal(await readState(paths), undefined);
      assert.deepEqual(await readdir(join(cache, "pilotlight", "clusters")), []);
    } finally {
      if (before === undefined) {
        delete process.env.XDG_CACHE_HOME;
      } else {
        process.env.XDG_CACHE_HOME = before;
      }
      await rm(cache, { recursive: true });
    }
  });
});

describe("pathsOf", () => {
  it("differs for each checkout and stays the same for one", () => {
    assert.equal(pathsOf("/a").folder, pathsOf("/a").folder);
    assert.notEqual(pathsOf("/a").folder, pathsOf("/b").folder);
    assert.notEqual(pathsOf("/a").cgroup, pathsOf("/b").cgroup);
  });
});
