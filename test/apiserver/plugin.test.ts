/** The kubectl plugin, installed as krew does by its manifest, and run by the real kubectl. */
import assert from "node:assert/strict";
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, before, describe, it } from "mocha";
import { parse } from "yaml";
import { runCommand as runInProcess } from "../../controller/cli/testing/terminal.ts";
import { VERSION } from "../../controller/version.ts";
import { ensureBinary } from "../../hack/go/build.ts";
import { runCommand, type CommandResult } from "../../hack/go/command.ts";
import { digestFile } from "../../hack/image/layer.ts";
import { buildPlugin } from "../../hack/kubectl/plugin.ts";

const ROOT = join(import.meta.dirname, "../..");
const ISVC = join(ROOT, "examples/iris/isvc.yaml");

interface KrewManifest {
  readonly spec: {
    readonly version: string;
    readonly platforms: readonly [
      {
        readonly sha256: string;
        readonly bin: string;
        readonly files: readonly { readonly from: string; readonly to: string }[];
      },
    ];
  };
}

describe("kubectl pilotlight", function () {
  this.timeout(120_000);
  let folder: string;
  let bin: string;
  let kubectlPath: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "pilotlight-plugin-"));
    kubectlPath = await ensureBinary("kubectl");
    const { archive, manifest } = await buildPlugin(ROOT, folder, "https://example.com/plugin");
    const { spec } = parse(await readFile(manifest, "utf8")) as KrewManifest;
    const [platform] = spec.platforms;
    assert.equal(spec.version, `v${VERSION}`);
    assert.equal(await digestFile(archive), platform.sha256);
    const unpacked = join(folder, "unpacked");
    const store = join(folder, "store/pilotlight", spec.version);
    bin = join(folder, "bin");
    for (const each of [unpacked, store, bin]) {
      mkdirSync(each, { recursive: true });
    }
    await runCommand("tar", ["-xzf", archive, "-C", unpacked]);
    for (const { from, to } of platform.files) {
      const found = globSync(from, { cwd: unpacked });
      assert.notEqual(found.length, 0, `${from} is in the archive`);
      for (const name of found) {
        cpSync(join(unpacked, name), join(store, to, basename(name)));
      }
    }
    symlinkSync(join(store, platform.bin), join(bin, "kubectl-pilotlight"));
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  function kubectl(args: readonly string[], input?: string): Promise<CommandResult> {
    const path = [bin, dirname(process.execPath), "/usr/bin", "/bin"].join(":");
    const env = { PATH: path, HOME: folder, KUBECACHEDIR: folder };
    return runCommand(kubectlPath, args, {
      cwd: folder,
      env,
      tolerate: true,
      ...(input === undefined ? {} : { input }),
    });
  }

  it("kubectl lists it, without a complaint", async () => {
    const { stdout, stderr } = await kubectl(["plugin", "list"]);
    assert.ok(stdout.includes(join(bin, "kubectl-pilotlight")), stdout);
    assert.doesNotMatch(stderr, /warning/i);
  });

  it("its help names it as the user calls it, with every command of the program", async () => {
    const { stdout, exitCode } = await kubectl(["pilotlight", "--help"]);
    assert.equal(exitCode, 0);
    const own = (await runInProcess("--help")).out;
    assert.equal(stdout, own.replaceAll(/\bpilotlight (COMMAND|--)/g, "kubectl pilotlight $1"));
    const commands = [...own.matchAll(/^ {2}([a-z]+) +\S/gm)].map((match) => match[1] ?? "");
    assert.ok(commands.includes("render") && commands.includes("check"), commands.join());
    for (const command of commands) {
      const help = await kubectl(["pilotlight", command, "--help"]);
      assert.equal(help.exitCode, 0, command);
      assert.match(help.stdout, new RegExp(`^Usage: kubectl pilotlight ${command} `));
    }
  });

  it("renders what the program renders, from standard input as well", async () => {
    const wanted = (await runInProcess("render", "-f", ISVC)).out;
    assert.equal((await kubectl(["pilotlight", "render", "-f", ISVC])).stdout, wanted);
    const text = await readFile(ISVC, "utf8");
    assert.equal((await kubectl(["pilotlight", "render", "-f", "-"], text)).stdout, wanted);
  });

  it("kubectl hands on its exit codes", async () => {
    const config = join(folder, "knative.yaml");
    writeFileSync(config, "{kind: ConfigMap, metadata: {name: config-defaults}, data: {}}");
    const slow = join(folder, "slow.yaml");
    const text = await readFile(ISVC, "utf8");
    writeFileSync(slow, text.replace("minReplicas: 0", "timeout: 900"));
    const rows = [
      { args: ["check", "-f", ISVC, "--config", config], code: 0 },
      { args: ["check", "-f", slow, "--config", config], code: 1 },
      { args: ["render", "-f", slow, "--config", config], code: 1 },
      { args: ["render", "--no-such-flag"], code: 64 },
      { args: ["render", "-f", "/nowhere.yaml"], code: 66 },
      { args: ["check", "-f", ISVC], code: 69, why: "no kubeconfig: localhost does not answer" },
    ];
    for (const { args, code } of rows) {
      const { exitCode, stderr, stdout } = await kubectl(["pilotlight", ...args]);
      assert.equal(exitCode, code, `${args.join(" ")}: ${stderr}${stdout}`);
    }
  });
});
