import { describe } from "mocha";

import { startAzurite } from "./testing/azurite.ts";
import { storeSuite } from "./testing/store-suite.ts";

describe("a model in Azure Blob Storage", () => {
  const wrong = Buffer.from("another key").toString("base64");
  storeSuite({
    start: startAzurite,
    denied: { environment: { AZURE_STORAGE_KEY: wrong }, code: "access-denied" },
  });
});
