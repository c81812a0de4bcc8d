/** `npm run bench -- NAME [options]`: every benchmark prints its baseline of the same run. */
const benchmarks: Readonly<Record<string, () => Promise<{ main(args: string[]): Promise<void> }>>> =
  {
    predictor: async () => import("./predictor/predictor.ts"),
    batching: async () => import("./predictor/batching.ts"),
    coldstart: async () => import("./coldstart/main.ts"),
    controller: async () => import("./controller/main.ts"),
    fusions: async () => import("./predictor/fusions.ts"),
    zipf: async () => import("./zipf/main.ts"),
    "executor-spike": async () => import("./predictor/executor-spike.ts"),
  };

const [name = "", ...args] = process.argv.slice(2);
const load = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined;
if (load === undefined) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(benchmarks).join("|")} [options]\n`);
  process.exit(64);
}
await (await load()).main(args);
