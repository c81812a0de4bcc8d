import assert from "node:assert/strict";
import { X509Certificate, createPrivateKey } from "node:crypto";
import { describe, it } from "mocha";
import { createAuthority } from "./x509.ts";

describe("createAuthority", () => {
  const authority = createAuthority("cluster", () => new Date("2026-03-04T05:06:07.890Z"));
  const root = new X509Certificate(authority.cert);

  it("signs itself and may sign others", () => {
    assert.equal(root.ca, true);
    assert.equal(root.subject, "CN=cluster");
    assert.equal(root.verify(root.publicKey), true);
  });

  it("is valid from an hour ago for a year", () => {
    assert.equal(root.validFromDate.toISOString(), "2026-03-04T04:06:07.000Z");
    assert.equal(root.validToDate.toISOString(), "2027-03-04T05:06:07.000Z");
  });

  it("issues a client certificate whose subject is user and groups", () => {
    const { cert, key } = authority.issueClient("jane", ["developers", "system:masters"]);
    const leaf = new X509Certificate(cert);
    assert.equal(leaf.subject, "O=developers\nO=system:masters\nCN=jane");
    assert.equal(leaf.checkIssued(root), true);
    assert.equal(leaf.verify(root.publicKey), true);
    assert.equal(leaf.checkPrivateKey(createPrivateKey(key)), true);
    assert.equal(leaf.ca, false);
    assert.deepEqual(leaf.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
  });

  it("issues a server certificate for names and addresses", () => {
    const { cert } = authority.issueServer("kube-apiserver", ["localhost", "10.96.0.1"]);
    const leaf = new X509Certificate(cert);
    assert.equal(leaf.subjectAltName, "DNS:localhost, IP Address:10.96.0.1");
    assert.equal(leaf.checkHost("localhost"), "localhost");
    assert.equal(leaf.checkIP("10.96.0.1"), "10.96.0.1");
    assert.equal(leaf.checkIP("10.96.0.2"), undefined);
  });

  it("gives each certificate a serial number of its own", () => {
    const serials = Array.from(
      { length: 20 },
      () => new X509Certificate(authority.issueClient("jane").cert).serialNumber,
    );
    assert.equal(new Set(serials).size, serials.length);
  });
});
