/** What is bundled: one file per program, so that starting one reads one file. */
import { join } from "node:path";

export interface Program {
  readonly entry: string;
  readonly output: string;
  /** Whether it is run by its own name, and so needs to say what runs it. */
  readonly executable: boolean;
  /** Arguments of Node before the program's file, as its image has them. */
  readonly nodeFlags: readonly string[];
  /** What its image has in the environment for Node and the C library. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * The controller's heap is small, and Node's defaults are for servers: its young generation alone
 * would take 100 MiB. A heap that may grow by a third between two collections costs little CPU.
 * Without V8's middle compiler nothing is measurably slower, and 5 MiB and more of its leavings are
 * saved. The C library would keep a pool for each of V8's threads, 10 MiB together, for one that
 * works.
 */
const SMALL: Pick<Program, "nodeFlags" | "environment"> = {
  nodeFlags: ["--max-semi-space-size=2", "--heap-growing-percent=30", "--no-maglev"],
  environment: { MALLOC_ARENA_MAX: "1" },
};
const ORDINARY: Pick<Program, "nodeFlags" | "environment"> = { nodeFlags: [], environment: {} };

export const PROGRAMS: readonly Program[] = [
  { entry: "predictor/main.ts", output: "predictor.cjs", executable: false, ...ORDINARY },
  { entry: "controller/main.ts", output: "controller.cjs", executable: false, ...SMALL },
  { entry: "controller/cli/main.ts", output: "pilotlight.cjs", executable: true, ...ORDINARY },
];

/** The one that is bundled as `output`. */
export function programOf(output: string): Program {
  const program = PROGRAMS.find((each) => each.output === output);
  if (program === undefined) throw new Error(`${output} is no program: hack/bundle/programs.ts`);
  return program;
}

/** What Node is given to run the program `output` of the folder. */
export function nodeArguments(output: string, folder: string): readonly string[] {
  return [...programOf(output).nodeFlags, join(folder, output)];
}

/**
 * Stays outside: native libraries, which find their parts beside themselves; WebAssembly; and what
 * grpc-js would read .proto files with, for services that aren't ours.
 */
export const EXTERNAL: readonly string[] = [
  "onnxruntime-node",
  "tokenizers",
  "@jsquash/jpeg",
  "@grpc/proto-loader",
];
