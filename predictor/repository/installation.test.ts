import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";

import { findInstallation, relocate } from "./installation.ts";

describe("relocate", () => {
  const rows: readonly [path: string, want: string, why: string][] = [
    ["/opt/pilotlight/examples/iris", "/checkout/examples/iris", "below the installation"],
    ["/opt/pilotlight", "/checkout", "the installation itself"],
    ["/opt/pilotlight-other/x", "/opt/pilotlight-other/x", "only looks like it"],
    ["/opt/pilotlight/../x", "/opt/pilotlight/../x", "leads out of it"],
    ["/mnt/models", "/mnt/models", "elsewhere"],
  ];
  for (const [path, want, why] of rows) {
    it(`${path} → ${want}: ${why}`, () => assert.equal(relocate(path, "/checkout"), want));
  }
});

describe("findInstallation", () => {
  it("finds the folder of this package from its sources", () => {
    assert.ok(existsSync(join(findInstallation(import.meta.dirname), "package.json")));
  });

  it("falls back on the image's own folder", () => {
    assert.equal(findInstallation("/nonexistent/folder"), "/opt/pilotlight");
  });
});
