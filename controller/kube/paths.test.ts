import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { collectionPath, objectPath } from "./paths.ts";
import { WIDGET } from "./testing/objects.ts";

const POD = { apiVersion: "v1", kind: "Pod", plural: "pods", namespaced: true };
const NODE = { apiVersion: "v1", kind: "Node", plural: "nodes", namespaced: false };

describe("paths", () => {
  const rows = [
    { path: collectionPath(WIDGET), is: "/apis/test.pilotlight.dev/v1/widgets" },
    { path: collectionPath(POD, "a"), is: "/api/v1/namespaces/a/pods" },
    { path: objectPath(NODE, "", "n1"), is: "/api/v1/nodes/n1" },
    { path: objectPath(POD, "a", "Q:x", "status"), is: "/api/v1/namespaces/a/pods/Q%3Ax/status" },
  ];
  for (const { path, is } of rows) it(`makes ${is}`, () => assert.equal(path, is));

  for (const name of ["", ".", ".."]) {
    it(`refuses the name "${name}", which would be another path`, () => {
      assert.throws(() => objectPath(POD, "a", name), TypeError);
    });
  }
});
