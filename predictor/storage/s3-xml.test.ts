import assert from "node:assert/strict";
import { describe, it } from "mocha";

import { parseListing, readElement } from "./s3-xml.ts";

const page = (inner: string): string =>
  `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
  `<EncodingType>url</EncodingType>${inner}</ListBucketResult>`;

describe("parseListing", () => {
  it("reads keys, sizes, tags and where to go on", () => {
    const xml = page(
      "<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b&#61;</NextContinuationToken>" +
        "<Contents><Key>m/a+b%2Bc.onnx</Key><Size>3</Size><ETag>&quot;e1&quot;</ETag>" +
        "<LastModified>2026-01-01T00:00:00Z</LastModified></Contents>" +
        "<Contents><Key>m/%C3%A9</Key><Size>0</Size></Contents>",
    );
    assert.deepEqual(parseListing(xml), {
      objects: [
        { key: "m/a b+c.onnx", bytes: 3, etag: '"e1"', lastModified: "2026-01-01T00:00:00Z" },
        { key: "m/é", bytes: 0, etag: "", lastModified: "" },
      ],
      continuation: "a&b=",
    });
  });

  it("is not fooled by a truncated page that names no next one", () => {
    assert.equal(parseListing(page("<IsTruncated>true</IsTruncated>")), undefined);
  });

  const broken = [
    "<html></html>",
    page("<Contents><Size>3</Size></Contents>"),
    page("<Contents><Key>a</Key><Size>-1</Size></Contents>"),
    page("<Contents><Key>a</Key><Size>many</Size></Contents>"),
  ];
  for (const xml of broken) {
    it(`refuses ${xml.slice(-60)}`, () => assert.equal(parseListing(xml), undefined));
  }

  it("reads an empty prefix", () => {
    assert.deepEqual(parseListing(page("")), { objects: [], continuation: undefined });
  });
});

describe("readElement", () => {
  it("decodes the entities of XML and leaves the others", () => {
    assert.equal(
      readElement("<a>&lt;x&gt; &#x1F642; &nbsp; &#9999999;</a>", "a"),
      "<x> 🙂 &nbsp; &#9999999;",
    );
  });
});
