import assert from "node:assert/strict";
import { describe, it } from "mocha";

import { renderLicenses, selectPackageFolders } from "./licenses.ts";

describe("selectPackageFolders", () => {
  it("names each package once, scopes and nested packages included", () => {
    const inputs = [
      "predictor/main.ts",
      "node_modules/express/index.js",
      "node_modules/express/lib/a.js",
      "node_modules/@scope/name/x.js",
      "node_modules/express/node_modules/ms/index.js",
    ];
    assert.deepEqual(selectPackageFolders(inputs), [
      "node_modules/@scope/name",
      "node_modules/express",
      "node_modules/express/node_modules/ms",
    ]);
  });
});

describe("renderLicenses", () => {
  it("heads each licence with its package", () => {
    const text = renderLicenses([{ name: "a", version: "1", license: "MIT", text: "Copyright A" }]);
    assert.match(text, /\na 1 \(MIT\)\n-+\n\nCopyright A\n/);
  });
});
