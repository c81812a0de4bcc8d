import assert from "node:assert/strict";
import { describe, it } from "mocha";

import { StorageError } from "./storage-error.ts";
import { parseStorageUri, shownUri } from "./uri.ts";

describe("parseStorageUri", () => {
  const accepted: readonly { uri: string; want: object; why: string }[] = [
    { uri: "/mnt/models", want: { scheme: "file", path: "/mnt/models" }, why: "plain path" },
    { uri: "file:///a/b.onnx", want: { scheme: "file", path: "/a/b.onnx" }, why: "file URL" },
    { uri: "file://localhost/a", want: { scheme: "file", path: "/a" }, why: "this machine" },
    { uri: "file:///a%20b", want: { scheme: "file", path: "/a b" }, why: "URLs are decoded" },
    { uri: "file:///a#1", want: { scheme: "file", path: "/a#1" }, why: "paths have no fragment" },
    { uri: "pvc://claim", want: { scheme: "pvc", claim: "claim", path: "" }, why: "whole claim" },
    { uri: "pvc://c/a/b/", want: { scheme: "pvc", claim: "c", path: "a/b" }, why: "below a claim" },
    { uri: "s3://bkt", want: { scheme: "s3", bucket: "bkt", key: "" }, why: "whole bucket" },
    { uri: "s3://bkt/a/", want: { scheme: "s3", bucket: "bkt", key: "a/" }, why: "prefix" },
    { uri: "S3://bkt/A b+c", want: { scheme: "s3", bucket: "bkt", key: "A b+c" }, why: "raw keys" },
    {
      uri: "s3://bkt/%2e%2e/x",
      want: { scheme: "s3", bucket: "bkt", key: "%2e%2e/x" },
      why: "keys are never decoded, so that nothing can hide in them",
    },
  ];
  const digest = `sha256:${"0a".repeat(32)}`;
  const azure = { scheme: "az", account: undefined, endpoint: undefined, sas: undefined };
  const stores: readonly { uri: string; want: object; why: string }[] = [
    { uri: "gs://bkt/a/b", want: { scheme: "gs", bucket: "bkt", key: "a/b" }, why: "Google" },
    { uri: "az://box/a/b", want: { ...azure, container: "box", key: "a/b" }, why: "Azure" },
    {
      uri: "https://acc.blob.core.windows.net/box/a%20b?sp=r&sig=x",
      want: {
        scheme: "az",
        account: "acc",
        endpoint: new URL("https://acc.blob.core.windows.net/"),
        container: "box",
        key: "a b",
        sas: "sp=r&sig=x",
      },
      why: "an address of Azure, as KServe has it",
    },
    {
      uri: "hf://org/name/onnx/model.onnx",
      want: { scheme: "hf", repository: "org/name", revision: "main", key: "onnx/model.onnx" },
      why: "a file of a repository",
    },
    {
      uri: "hf://org/name@refs%2Fpr%2F1",
      want: { scheme: "hf", repository: "org/name", revision: "refs/pr/1", key: "" },
      why: "a revision with slashes",
    },
    {
      uri: "hf://org/name:v1.0",
      want: { scheme: "hf", repository: "org/name", revision: "v1.0", key: "" },
      why: "a revision as KServe writes it",
    },
    {
      uri: "oci://docker.io/org/name",
      want: {
        scheme: "oci",
        registry: "registry-1.docker.io",
        repository: "org/name",
        reference: "latest",
      },
      why: "where Docker Hub really is",
    },
    {
      uri: `oci://r.example:5000/a/b:v1@${digest}`,
      want: { scheme: "oci", registry: "r.example:5000", repository: "a/b", reference: digest },
      why: "a digest says more than a tag",
    },
  ];
  for (const { uri, want, why } of [...accepted, ...stores]) {
    it(`reads ${uri}: ${why}`, () => assert.deepEqual(parseStorageUri(uri), want));
  }

  it("reads https URLs, the fragment dropped", () => {
    const found = parseStorageUri("HTTPS://host.example/a.onnx?sig=1#part");
    assert.ok(found.scheme === "https");
    assert.equal(found.url.href, "https://host.example/a.onnx?sig=1");
  });

  it("lets http:// through only where that was asked for", () => {
    assert.throws(() => parseStorageUri("http://127.0.0.1/a.onnx"), StorageError);
    assert.equal(parseStorageUri("http://127.0.0.1/a.onnx", true).scheme, "https");
  });

  const refused: readonly { uri: string; says: RegExp; why: string }[] = [
    { uri: "", says: /empty/, why: "nothing" },
    { uri: "  ", says: /empty/, why: "blank" },
    { uri: `s3://b/${"x".repeat(8192)}`, says: /longer than 2048/, why: "bounded" },
    { uri: "s3://bkt/a\nb", says: /control character/, why: "would forge log lines" },
    { uri: "s3://bkt/a\u0000b", says: /control character/, why: "C strings end there" },
    { uri: "models/iris", says: /absolute path/, why: "relative to what?" },
    { uri: "ftp://bucket/x", says: /ftp:\/\/ is not supported/, why: "another store" },
    { uri: "gs://bkt/a/../b", says: /segment \. or \.\./, why: "leaves the prefix" },
    { uri: "az://Nope_/x", says: /names no container/, why: "no name of Azure's" },
    { uri: "hf://only", says: /names no repository/, why: "no organisation" },
    { uri: "hf://org/..@main/x", says: /names no repository/, why: "leaves the organisation" },
    { uri: "oci://registry", says: /names no artefact/, why: "no repository" },
    { uri: "oci://r.example/a/../b", says: /names no artefact/, why: "leaves the repository" },
    { uri: "oci://r.example/a@sha256:12", says: /names no artefact/, why: "half a digest" },
    { uri: "javascript://x", says: /not supported/, why: "nonsense" },
    { uri: "file://host/a", says: /names a host/, why: "no network file system" },
    { uri: "file:///a%2Fb", says: /no file URL/, why: "an encoded slash is ambiguous" },
    { uri: "pvc:///x", says: /names no claim/, why: "no claim" },
    { uri: "pvc://c/../x", says: /segment \. or \.\./, why: "leaves the claim" },
    { uri: "s3:///x", says: /names no bucket/, why: "no bucket" },
    { uri: "s3://bkt/../other", says: /segment \. or \.\./, why: "leaves the bucket" },
    { uri: "s3://bkt/a//b", says: /empty segment/, why: "is not a path on disk" },
    { uri: "https://", says: /no URL/, why: "no host" },
    { uri: "https://evil.com\\@good.com/", says: /backslash/, why: "hosts read differently" },
  ];
  for (const { uri, says, why } of refused) {
    it(`refuses ${JSON.stringify(uri.slice(0, 40))}: ${why}`, () => {
      assert.throws(
        () => parseStorageUri(uri),
        (error) =>
          error instanceof StorageError &&
          error.code === "misconfigured" &&
          says.test(error.message),
      );
    });
  }

  it("refuses a password in a URL without repeating it", () => {
    assert.throws(
      () => parseStorageUri("https://user:hunter2@host/a"),
      (error) =>
        error instanceof StorageError &&
        /user name or password/.test(error.message) &&
        !error.message.includes("hunter2"),
    );
  });
});

describe("shownUri", () => {
  it("keeps what identifies a source and drops what grants access to it", () => {
    assert.equal(shownUri("https://h/a.onnx?X-Amz-Signature=abc"), "https://h/a.onnx");
    assert.equal(shownUri("https://u:p@h/a"), "https://h/a");
    assert.equal(shownUri("s3://bkt/a?b"), "s3://bkt/a?b");
  });

  it("names no other host than the one that would be asked", () => {
    assert.equal(shownUri("https://example.com\\@evil/a"), "https://example.com\\@evil/a");
  });
});
