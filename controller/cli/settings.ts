/** The controller's settings, for commands that decide as it does. */
import { type Config, ConfigError, readConfig } from "../config.ts";
import { VERSION } from "../version.ts";
import { CliError, EXIT } from "./command.ts";

export const SETTINGS_OPTIONS = {
  settings: { type: "string" },
  "predictor-image": { type: "string" },
  "knative-namespace": { type: "string" },
} as const;

export const SETTINGS_HELP = `      --settings FILE          the controller's settings: config.yaml of the chart's ConfigMap
      --predictor-image IMAGE  image of the standard predictor (that of --settings, else
                               pilotlight/predictor of this version)
      --knative-namespace NAME namespace of Knative Serving (knative-serving)
`;

export interface SettingsFlags {
  readonly settings?: string | undefined;
  readonly "predictor-image"?: string | undefined;
  readonly "knative-namespace"?: string | undefined;
}

/** @throws CliError 65 with what is wrong in the settings. */
export function readSettings(flags: SettingsFlags): Config {
  const image =
    flags["predictor-image"] ??
    (flags.settings === undefined ? `pilotlight/predictor:${VERSION}` : undefined);
  try {
    return readConfig({
      CONFIG_FILE: flags.settings,
      PREDICTOR_IMAGE: image,
      KNATIVE_NAMESPACE: flags["knative-namespace"],
    });
  } catch (error) {
    if (error instanceof ConfigError) {
      throw new CliError(EXIT.data, `--settings: ${error.message}`, error);
    }
    throw error;
  }
}
