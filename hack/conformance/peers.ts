/** Ours and the installed peers under the same suite, with the iris example; and the page. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { irisPath, TestPredictor } from "../../predictor/testing/test-predictor.ts";
import { version } from "../../predictor/version.ts";
import type { InferRequest, Target } from "../../test/conformance/support/target.ts";
import { PEERS, startPeer } from "../peers/peer.ts";
import { runSuite } from "./suite.ts";
import type { Result } from "./suite.ts";

export interface Examined {
  /** Its name and version. */
  readonly server: string;
  readonly results: readonly Result[];
}

const ROOT = join(import.meta.dirname, "../..");
const token = "conformance";

/** Runs all and writes the results. Takes a minute; the first time, as long as installing takes. */
export async function comparePeers(): Promise<Examined[]> {
  const text = await readFile(join(ROOT, "examples/iris/request.json"), "utf8");
  const { inputs } = JSON.parse(text) as InferRequest;
  const flat = inputs.map((each) => ({ ...each, data: each.data.flat(Infinity) }));
  const target = { model: "iris", request: { inputs: flat } };
  const examined = [await examineOurs(target)];
  for (const name of PEERS) {
    await using peer = await startPeer(name, { modelPath: irisPath, modelName: "iris" });
    const results = await runSuite({ ...target, url: peer.url });
    examined.push({ server: `${name} ${peer.version}`, results });
  }
  await mkdir(join(ROOT, "docs/results"), { recursive: true });
  const json = `${JSON.stringify(examined, undefined, 2)}\n`;
  await writeFile(join(ROOT, "docs/results/conformance.json"), json);
  await writeFile(join(ROOT, "docs/conformance.md"), renderPage(examined));
  return examined;
}

/** Our predictor, its repository open. */
export async function examineOurs(target: Omit<Target, "url" | "admin">): Promise<Examined> {
  await using ours = await TestPredictor.serving({
    STORAGE_URI: irisPath,
    ADMIN_PORT: "0",
    ADMIN_TOKEN: token,
  });
  const ports = ours.log.map((line) => (line as { adminPort?: number }).adminPort);
  const admin = { url: `http://127.0.0.1:${ports.find((port) => port !== undefined)}`, token };
  const results = await runSuite({ ...target, url: ours.url, admin });
  return { server: `pilotlight ${version}`, results };
}

/** The page: a row per behaviour, a column per server, and what failed in words. */
export function renderPage(examined: readonly Examined[]): string {
  const [first] = examined;
  const head = `| behaviour | what a client may rely on | ${examined.map((e) => e.server).join(" | ")} |`;
  const line = `|---|---|${examined.map(() => "---").join("|")}|`;
  const rows = (first?.results ?? []).map(({ name, says }, index) => {
    const marks = examined.map(({ results }) =>
      results[index]?.passed === true ? "yes" : "**no**",
    );
    return `| ${name} | ${says} | ${marks.join(" | ")} |`;
  });
  const counts = examined.map(({ server, results }) => {
    return `${server}: ${results.filter((each) => each.passed).length} of ${results.length}`;
  });
  const failures = examined.flatMap(({ server, results }) => {
    const failed = results.filter((each) => !each.passed);
    if (failed.length === 0) return [];
    return ["", `## ${server}`, ...failed.map(({ name, why }) => `- ${name}: \`${why ?? ""}\``)];
  });
  return [
    "# Conformance",
    "",
    "`npm run conformance -- URL MODEL…` examines any server that speaks the Open Inference Protocol v2; `npm run conformance -- --peers` wrote this page.",
    "Each behaviour is a file of `test/conformance/`, with its source. The peers serve the iris example through the custom model classes of `hack/peers/`, as their",
    "documentation describes them; KServe's would answer 500 without an id, so that its class makes one. BentoML has no routes of the protocol but the one that its class declares.",
    "",
    ...counts.map((count) => `- ${count}`),
    "",
    head,
    line,
    ...rows,
    ...failures,
    "",
  ].join("\n");
}
