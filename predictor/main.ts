/**
 * The predictor. Listens at once; starts the executor, loads the routes and fetches the model at
 * the same time; serves; drains. The same file is also the executor's program, which runs it again,
 * and that of its threads; and, by `download`, what fetches models for the servers of others.
 */
import { enableCompileCache } from "node:module";
import { threadArgument } from "./threads/argument.ts";

const childArgument = "executor";

if (process.argv[2] === childArgument) {
  enableCompileCache();
  void import("./executor/child.ts").then(({ runChild }) => runChild(process.argv[3]?.split(",")));
} else if (process.argv[2] === threadArgument) {
  if (process.argv[3] === "hooks") void import("./hooks/worker.ts").then((it) => it.runHooks());
  else if (process.argv[3] === "bodies")
    void import("./bodies/worker.ts").then((it) => it.runBodies());
  else void import("./tasks/worker/worker.ts").then((it) => it.runTaskWorker());
} else if (process.argv[2] === "download") {
  enableCompileCache();
  void import("./download.ts").then(({ runDownload }) =>
    runDownload(process.argv.slice(3), process.env),
  );
} else {
  enableCompileCache();
  void import("./predictor.ts").then(async ({ runPredictor }) =>
    runPredictor({
      args: process.argv.slice(2),
      environment: process.env,
      entry: {
        command: process.execPath,
        args: [...process.execArgv, process.argv[1] ?? "", childArgument],
      },
    }),
  );
}
