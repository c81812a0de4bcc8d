import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { text } from "node:stream/consumers";
import { describe, it } from "mocha";

const START = fileURLToPath(new URL("start.ts", import.meta.url));

describe("npm start -- --once", function () {
  // Programs are started, and the machine may be busy with other things.
  this.timeout(60_000);

  it("prints a request and the prediction, from zero, on another port where 8080 is taken", async () => {
    const other = createServer();
    // Taken by us or by somebody else already: taken it is.
    await new Promise<void>((resolve) => {
      other.once("error", () => resolve());
      other.listen(8080, "127.0.0.1", resolve);
    });
    const child = spawn(process.execPath, [START, "--once"], { stdio: ["ignore", "pipe", "pipe"] });
    const exited = new Promise((resolve) => child.once("exit", resolve));
    const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    other.close();
    assert.equal(err, "");
    assert.equal(code, 0);
    assert.match(out, /port 8080 is taken here, another one will do/);
    const target = String.raw`http://127\.0\.0\.1:\d+/v2/models/iris/infer`;
    assert.match(out, new RegExp(`^  curl -d @examples/iris/request.json ${target}$`, "m"));
    assert.match(out, /cold start began, 1 request held/);
    assert.match(out, /Answered with 200 after \d+\.\d\d s/);
    for (const name of ["setosa", "versicolor", "virginica"]) {
      assert.match(out, new RegExp(`petal .* Iris ${name} +9\\d\\.\\d %$`, "m"));
    }
    assert.match(out, /^ {2}\{"model_name":"iris".*\}$/m);
    assert.match(out, /stopped after/);
  });
});
