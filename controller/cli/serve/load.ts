/** From flags to plans: reads the manifests and looks at this machine. */
import { existsSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { CliError, EXIT } from "../command.ts";
import { readInput, readSchema } from "../input.ts";
import { parseManifests, placed, type Manifest } from "../manifest.ts";
import { planService, serviceOfModel, type Facts, type ServicePlan } from "./plan.ts";
import { routingConflict } from "./route.ts";

export interface Loaded {
  readonly plans: readonly ServicePlan[];
  readonly notices: readonly { readonly service?: string; readonly message: string }[];
}

export interface Sources {
  readonly files: readonly string[];
  readonly models: readonly string[];
  /** Folder that /opt/pilotlight stands for, with crds/ in it. */
  readonly installation: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** All plans, or a CliError with every fault of all files, one a line. */
export function loadPlans(sources: Sources): Loaded {
  const facts: Facts = {
    cpus: availableParallelism(),
    env: sources.env,
    installation: sources.installation,
    fileExists: existsSync,
  };
  const plans: ServicePlan[] = [];
  const notices: { service?: string; message: string }[] = [];
  const faults: string[] = [];
  const manifests = sources.models.map((model) => manifestOfModel(model));
  const schema = sources.files.length === 0 ? {} : readSchema(sources.installation);
  for (const file of sources.files) {
    const read = parseManifests(file === "-" ? "stdin" : file, readInput(file), schema);
    manifests.push(...read.manifests);
    notices.push(...read.notices.map((message) => ({ message })));
    for (const { kind, metadata } of read.runtimes) {
      notices.push({
        message: `${kind} ${metadata.name} is for a cluster; it is passed over here`,
      });
    }
    faults.push(...read.faults);
  }
  for (const manifest of manifests) {
    const planned = planService(manifest.isvc, facts);
    if ("faults" in planned) {
      faults.push(...planned.faults.map((each) => placed(manifest, each.path, each.message)));
      continue;
    }
    plans.push(planned.plan);
    const service = planned.plan.name;
    notices.push(...planned.notices.map((message) => ({ service, message })));
  }
  const conflict = routingConflict(plans);
  if (conflict !== undefined) {
    faults.push(conflict);
  }
  if (faults.length > 0) {
    throw new CliError(EXIT.data, ["nothing is served:", ...faults].join("\n  "));
  }
  return { plans, notices };
}

function manifestOfModel(model: string): Manifest {
  if (/^[a-z0-9]+:\/\//.test(model)) {
    return { isvc: serviceOfModel(model), where: () => model };
  }
  const file = path.resolve(model);
  if (!existsSync(file)) {
    throw new CliError(EXIT.noInput, `no model at ${model}: no such file or folder`);
  }
  if (/\.ya?ml$/.test(file) && statSync(file).isFile()) {
    throw new CliError(EXIT.usage, `${model} is a manifest: give it with -f ${model}`);
  }
  return { isvc: serviceOfModel(pathToFileURL(file).href), where: () => model };
}
