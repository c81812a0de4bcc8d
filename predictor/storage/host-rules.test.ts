import assert from "node:assert/strict";
import { describe, it } from "mocha";

import { checkHostRules, parseHostRules } from "./host-rules.ts";
import { StorageError } from "./storage-error.ts";

const rules = parseHostRules({
  ALLOWED_HOSTS: "Models.example.com, *.hub.example.org,10.0.0.7,fd00::7,",
  DENIED_HOSTS: "old.hub.example.org,*.test.hub.example.org",
});

describe("hosts that models may come from", () => {
  for (const url of [
    "https://models.example.com/m.onnx",
    "https://MODELS.EXAMPLE.COM:8443/m.onnx",
    "https://models.example.com./m.onnx",
    "https://eu.hub.example.org/m.onnx",
    "https://a.eu.hub.example.org/m.onnx",
    "https://10.0.0.7/m.onnx",
    "https://[fd00::7]/m.onnx",
  ]) {
    it(`${url} is one`, () => checkHostRules(new URL(url), rules));
  }

  const refused: [url: string, says: RegExp, why: string][] = [
    ["https://models.example.com.evil.com/m", /ALLOWED_HOSTS has models/, "a longer name"],
    ["https://evil.com/#models.example.com", /^evil\.com is not/, "the name in the fragment"],
    ["https://evil.com\\@models.example.com/", /^evil\.com is not/, "the name behind a backslash"],
    ["https://evilmodels.example.com/m", /ALLOWED_HOSTS/, "a name that ends alike"],
    ["https://hub.example.org/m", /ALLOWED_HOSTS/, "what the wildcard stands below"],
    ["https://old.hub.example.org/m", /DENIED_HOSTS has old\.hub/, "allowed, and denied by name"],
    ["https://a.test.hub.example.org/m", /DENIED_HOSTS has \*\.test/, "allowed, and denied below"],
    ["https://10.0.0.8/m", /ALLOWED_HOSTS/, "another address"],
  ];
  for (const [url, says, why] of refused) {
    it(`${url} is none: ${why}`, () => {
      assert.throws(
        () => checkHostRules(new URL(url), rules),
        (error) => {
          assert(error instanceof StorageError);
          assert.equal(error.code, "misconfigured");
          assert.match(error.message, says);
          return true;
        },
      );
    });
  }

  it("are all but the denied ones where none is named", () => {
    const denying = parseHostRules({ DENIED_HOSTS: "evil.com" });
    checkHostRules(new URL("https://anywhere.example/m"), denying);
    assert.throws(() => checkHostRules(new URL("https://evil.com/m"), denying), /DENIED_HOSTS/);
    checkHostRules(new URL("https://evil.com/m"), parseHostRules({ ALLOWED_HOSTS: " " }));
  });

  for (const text of ["https://models.example.com", "models.example.com/a", "*", "*.", "a.*.com"]) {
    it(`${text} in the list is a mistake, not a rule that matches nothing`, () => {
      assert.throws(() => parseHostRules({ DENIED_HOSTS: text }), /DENIED_HOSTS: ".*" is no host/);
    });
  }
});
