/**
 * The predictor. Listens at once; starts the executor, loads the routes and fetches the model at
 * the same time; serves; drains. The same file is also the executor's program: it runs itself again.
 */
import { enableCompileCache } from "node:module";

const childArgument = "executor";

if (process.argv[2] === childArgument) {
  enableCompileCache();
  void import("./executor/child.ts").then(({ runChild }) => runChild(process.argv[3]?.split(",")));
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
