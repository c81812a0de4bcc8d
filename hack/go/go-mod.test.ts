import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { renderGoMod } from "./go-mod.ts";

const KUBERNETES = `module k8s.io/kubernetes

require k8s.io/api v0.0.0

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/client-go => ./staging/src/k8s.io/client-go
)
`;

const ARGOCD = `module example.com/argo

replace (
	// https://github.com/golang/go => not a line
	github.com/golang/protobuf => github.com/golang/protobuf v1.5.4 // why
	k8s.io/api => k8s.io/api v0.37.0
	example.com/engine => ./engine
)

replace example.com/one v1.0.0 => example.com/other v1.1.0
`;

describe("renderGoMod", () => {
  it("gives a staging module the version that its release is published under", () => {
    const recipe = {
      module: "k8s.io/kubernetes",
      version: "v1.36.3",
      replaces: "staging",
    } as const;
    assert.equal(
      renderGoMod("kubelet", recipe, KUBERNETES),
      `module pilotlight.dev/build/kubelet
go 1.26.0
require k8s.io/kubernetes v1.36.3
replace k8s.io/api => k8s.io/api v0.36.3
replace k8s.io/client-go => k8s.io/client-go v0.36.3
`,
    );
  });

  it("repeats replacements by modules, not those by folders or in comments", () => {
    const recipe = {
      module: "example.com/argo",
      version: "v3.6.1",
      replaces: "remote",
      toolchain: "go1.27.0",
    } as const;
    assert.equal(
      renderGoMod("argo", recipe, ARGOCD),
      `module pilotlight.dev/build/argo
go 1.27.0
require example.com/argo v3.6.1
replace github.com/golang/protobuf => github.com/golang/protobuf v1.5.4
replace k8s.io/api => k8s.io/api v0.37.0
replace example.com/one v1.0.0 => example.com/other v1.1.0
`,
    );
  });

  it("requires nothing for a program of the standard library", () => {
    assert.equal(
      renderGoMod("pause", { version: "v1.0.0", source: "pause" }, ""),
      "module pilotlight.dev/build/pause\ngo 1.26.0\n",
    );
  });
});
