/** The flags of `pilotlight serve`. Pure. */
import { CliError, EXIT, parseFlags } from "../command.ts";
import { parseDurationMs } from "../../duration.ts";
import type { LogFormat } from "./events.ts";

export interface ServeFlags {
  /** Manifest files; "-" is standard input. */
  readonly files: readonly string[];
  /** Model files, folders or URIs. */
  readonly models: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly windowMs: number;
  readonly logFormat: LogFormat;
  readonly verbose: boolean;
  /** Program instead of Pilotlight's own predictor. */
  readonly predictor: string | undefined;
}

export const SERVE_HELP = `Usage: pilotlight serve -f FILE... [FLAGS]
       pilotlight serve MODEL... [FLAGS]

Serves models on this machine, without a cluster: predictor processes behind one port, started
by the first request, as many as the load asks for, and gone after a time without requests.
Ctrl-C ends it.

  -f, --filename FILE          manifest with one or several InferenceServices; - is standard input;
                               may be repeated
  MODEL                        model file, folder with a model, or a URI: s3://, gs://, az://,
                               https://, hf:// or oci://; credentials come from the environment
                               (docs/storage.md)

      --host ADDRESS           address to listen on (127.0.0.1)
      --port PORT              port to listen on; 0 takes a free one (8080)
      --scale-to-zero-after T  time without requests after which no process is left, e.g. 90s, 5m;
                               load is averaged over the same time (60s)
      --log-format text|json   lines for people or for machines (text)
      --verbose                the predictors' own lines, too
      --predictor FILE         program to run instead of Pilotlight's predictor, by this Node
                               (docs/runtime-contract.md says what it must do)
  -h, --help                   this text

Examples:
  pilotlight serve -f examples/iris/isvc.yaml
  pilotlight serve model.onnx --port 9000 --scale-to-zero-after 5m
  kustomize build overlays/test | pilotlight serve -f -
`;

const WINDOW_MS = { min: 1000, max: 3_600_000 } as const;

/** Throws a CliError that names the flag. */
export function parseServeFlags(args: readonly string[]): ServeFlags {
  const { values, positionals } = parseFlags({
    args: [...args],
    allowPositionals: true,
    options: {
      filename: { type: "string", short: "f", multiple: true },
      host: { type: "string", default: "127.0.0.1" },
      port: { type: "string", default: "8080" },
      "scale-to-zero-after": { type: "string", default: "60s" },
      "log-format": { type: "string", default: "text" },
      predictor: { type: "string" },
      verbose: { type: "boolean", default: false },
      help: { type: "boolean", short: "h" },
    },
  });
  const files = values.filename ?? [];
  if (files.length === 0 && positionals.length === 0) {
    throw usage("nothing to serve: give a manifest with -f, or a model");
  }
  if (files.filter((file) => file === "-").length > 1) {
    throw usage("-f - reads standard input, which can be read once only");
  }
  const logFormat = values["log-format"];
  if (logFormat !== "text" && logFormat !== "json") {
    throw usage(`--log-format must be text or json, not ${logFormat}`);
  }
  return {
    files,
    models: positionals,
    host: values.host,
    port: parsePort(values.port),
    windowMs: parseWindow(values["scale-to-zero-after"]),
    logFormat,
    verbose: values.verbose,
    predictor: values.predictor,
  };
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) {
    throw usage(`--port must be a number from 0 to 65535, not ${text}`);
  }
  return port;
}

function parseWindow(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms < WINDOW_MS.min || ms > WINDOW_MS.max) {
    throw usage(`--scale-to-zero-after must be a time from 1s to 1h, e.g. 90s or 5m, not ${text}`);
  }
  return ms;
}

function usage(message: string): CliError {
  return new CliError(EXIT.usage, message);
}
