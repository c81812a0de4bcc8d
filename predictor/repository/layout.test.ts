import assert from "node:assert/strict";
import { describe, it } from "mocha";

import type { FolderListing } from "../storage/local.ts";
import { StorageError } from "../storage/storage-error.ts";
import { selectVersions, selectWrapping } from "./layout.ts";

function listing(files: string[], folders: Record<string, string[]> = {}): FolderListing {
  return { files, folders: new Map(Object.entries(folders)) };
}

describe("selectVersions", () => {
  const rows: readonly { given: FolderListing; want: string[]; why: string }[] = [
    { given: listing(["iris.onnx"]), want: ["1 iris.onnx"], why: "exactly one" },
    { given: listing(["model.onnx", "old.onnx"]), want: ["1 model.onnx"], why: "model.onnx wins" },
    {
      given: listing(["model.onnx", "model.onnx_data", "README.md"]),
      want: ["1 model.onnx"],
      why: "other files are other files",
    },
    {
      given: listing([], { 10: ["model.onnx"], 9: ["b.onnx"], 1: ["model.onnx"] }),
      want: ["1 1/model.onnx", "9 9/b.onnx", "10 10/model.onnx"],
      why: "versions ascend as numbers",
    },
    {
      given: listing(["labels.txt"], { 1: ["model.onnx"], assets: ["x.onnx"] }),
      want: ["1 1/model.onnx"],
      why: "folders without a number are no versions",
    },
    {
      given: listing(["._model.onnx", "iris.onnx", ".hidden.onnx"], { "..data": ["iris.onnx"] }),
      want: ["1 iris.onnx"],
      why: "what mounts and archivers hide is not meant",
    },
    {
      given: listing(["config.json"], { onnx: ["model.onnx", "model_quantized.onnx"] }),
      want: ["1 onnx/model.onnx"],
      why: "Hugging Face's layout has its graphs in onnx/",
    },
    {
      given: listing(["config.json", "decoder_model_merged.onnx", "encoder_model.onnx"]),
      want: ["1 encoder_model.onnx"],
      why: "of an encoder and a decoder the encoder comes first",
    },
    { given: listing(["m.onnx"], { 0.5: [] }), want: ["1 m.onnx"], why: "0.5 is no version" },
    { given: listing(["m.onnx"], { "01": [] }), want: ["1 m.onnx"], why: "01 is no version" },
  ];
  for (const { given, want, why } of rows) {
    it(why, () => {
      const found = selectVersions(given, "s3://b/m/");
      assert.deepEqual(
        found.map(({ version, file }) => `${version} ${file}`),
        want,
      );
    });
  }

  const refused: readonly { given: FolderListing; code: string; says: RegExp; why: string }[] = [
    { given: listing([]), code: "not-found", says: /it is empty/, why: "an empty folder" },
    {
      given: listing(["a.txt", "b.pkl"], { src: ["x.onnx"] }),
      code: "not-found",
      says: /no \.onnx file there \(it holds a\.txt, b\.pkl, src\)/,
      why: "a folder of something else",
    },
    {
      given: listing(["a.onnx", "b.onnx"]),
      code: "invalid",
      says: /several \.onnx files \(a\.onnx, b\.onnx\)/,
      why: "several models",
    },
    {
      given: listing(Array.from({ length: 9 }, (_, at) => `m${at}.onnx`)),
      code: "invalid",
      says: /m4\.onnx and 4 more/,
      why: "very many models",
    },
    {
      given: listing([], { 1: ["model.onnx"], 2: [] }),
      code: "not-found",
      says: /m\/2: version folder without/,
      why: "a version half uploaded",
    },
    {
      given: listing(["model.onnx"], { 1: ["model.onnx"] }),
      code: "invalid",
      says: /both model\.onnx and version folders \(1\)/,
      why: "two layouts at once",
    },
  ];
  for (const { given, code, says, why } of refused) {
    it(`refuses ${why}`, () => {
      assert.throws(
        () => selectVersions(given, "s3://b/m/"),
        (error) => error instanceof StorageError && error.code === code && says.test(error.message),
      );
    });
  }
});

describe("selectWrapping", () => {
  it("finds the one folder that an archive was made of", () => {
    assert.equal(selectWrapping(listing(["._x"], { iris: ["model.onnx"], ".git": [] })), "iris");
  });

  it("takes neither a version, nor one of several, nor one beside a model", () => {
    assert.equal(selectWrapping(listing([], { 1: ["model.onnx"] })), undefined);
    assert.equal(selectWrapping(listing([], { a: [], b: [] })), undefined);
    assert.equal(selectWrapping(listing(["m.onnx"], { data: [] })), undefined);
  });
});
