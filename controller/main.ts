/**
 * The controller's process: configuration, signals, exit codes (0 stopped, 64 misconfigured, 70
 * failed, 75 lease lost).
 */
import { startApp } from "./app.ts";
import { type Config, ConfigError, readConfig } from "./config.ts";
import { loadKubeConfig } from "./kube/credentials.ts";
import { createLog } from "./ops/log.ts";
import { createMetrics } from "./ops/metrics.ts";
import { VERSION } from "./version.ts";

const EX_USAGE = 64;
const EX_SOFTWARE = 70;
/** Temporary failure: another replica leads now, and a restart makes this one its standby. */
const EX_TEMPFAIL = 75;

function configuration(): Config | undefined {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) {
      throw error;
    }
    process.stderr.write(`${error.message}\n`);
    return undefined;
  }
}

async function main(): Promise<number> {
  const config = configuration();
  if (config === undefined) {
    return EX_USAGE;
  }
  const log = createLog({ level: config.logLevel, name: "controller" });
  const metrics = createMetrics({ version: VERSION });
  const app = await startApp({
    config,
    kubeConfig: loadKubeConfig(),
    version: VERSION,
    log,
    metrics,
  });
  log.info({ version: VERSION, opsUrl: app.opsUrl }, "the controller runs");
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      log.info({ signal }, "stopping");
      void app.stop();
    });
  }
  const how = await app.ended;
  log.info({ how }, "the controller has ended");
  return how === "lost" ? EX_TEMPFAIL : 0;
}

// The bundle is CommonJS, which has no await at the top level.
void main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`the controller cannot go on: ${String(error)}\n`);
    process.exitCode = error instanceof ConfigError ? EX_USAGE : EX_SOFTWARE;
  },
);
