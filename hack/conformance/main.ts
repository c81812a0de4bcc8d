/**
 * `npm run conformance -- URL MODEL…` examines a server; `--request FILE` gives an inference where
 * its metadata doesn't say one, `--admin URL` and `--token T` are where its repository is.
 * `npm run conformance -- --peers` examines ours and the installed peers with the iris example, and
 * writes docs/results/conformance.json and docs/conformance.md.
 */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import type { InferRequest } from "../../test/conformance/support/target.ts";
import { comparePeers } from "./peers.ts";
import { runSuite, sampleRequest } from "./suite.ts";
import type { Result } from "./suite.ts";

function print(title: string, results: readonly Result[]): void {
  const passed = results.filter((each) => each.passed).length;
  process.stdout.write(`\n${title}: ${passed} of ${results.length}\n`);
  for (const { name, passed: ok, why } of results) {
    process.stdout.write(`  ${ok ? "✔" : "✖"} ${name}${why === undefined ? "" : `: ${why}`}\n`);
  }
}

async function main(args: string[]): Promise<number> {
  const text = { type: "string" } as const;
  const options = { peers: { type: "boolean" }, request: text, admin: text, token: text } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  if (values.peers === true) {
    for (const { server, results } of await comparePeers()) print(server, results);
    return 0;
  }
  const [given, ...models] = positionals;
  if (given === undefined || models.length === 0) {
    process.stderr.write("usage: npm run conformance -- URL MODEL... | --peers\n");
    return 64;
  }
  const url = given.replace(/\/$/, "");
  const { request: path, admin: adminUrl, token } = values;
  let failed = 0;
  for (const model of models) {
    const request =
      path === undefined
        ? await sampleRequest(url, model)
        : (JSON.parse(await readFile(path, "utf8")) as InferRequest);
    const where = { url: adminUrl ?? url, ...(token === undefined ? {} : { token }) };
    const results = await runSuite({ url, model, request, admin: where });
    print(`${url} ${model}`, results);
    failed += results.filter(({ passed }) => !passed).length;
  }
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
