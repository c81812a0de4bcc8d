import assert from "node:assert/strict";
import { describe, it } from "mocha";

import { parseStorageUri } from "../storage/uri.ts";
import { selectModelName } from "./model-name.ts";

describe("selectModelName", () => {
  const rows: readonly [uri: string, want: string, why: string][] = [
    ["s3://models/iris/", "iris", "a prefix"],
    ["s3://models/iris", "iris", "a prefix without its slash"],
    ["s3://models", "models", "a bucket"],
    ["s3://models/nets/silero_v5.onnx", "silero_v5", "a file"],
    ["s3://models/iris/model.onnx", "iris", "a file that only the layout names"],
    ["/opt/pilotlight/examples/iris/model", "iris", "a folder that only the layout names"],
    ["s3://models/model.onnx", "model", "nothing better known"],
    ["https://host/x/iris.tar.gz?download=1", "iris", "an archive"],
    ["https://host/", "model", "a host is no name"],
    ["https://host/a%20b%ZZ.onnx", "a-20b-ZZ", "a name that would not do in a URL"],
    ["pvc://claim/nets/ocr/", "ocr", "a folder of a claim"],
    ["pvc://claim", "claim", "a claim"],
    ["/srv/Modèle.onnx", "Mod-le", "letters outside of ASCII"],
    ["/srv/.-x.onnx", "x", "names begin with a letter or digit"],
  ];
  for (const [uri, want, why] of rows) {
    it(`${uri} → ${want}: ${why}`, () => {
      assert.equal(selectModelName(parseStorageUri(uri)), want);
    });
  }
});
