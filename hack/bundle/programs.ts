/** What is bundled: one file per program, so that starting one reads one file. */
export interface Program {
  readonly entry: string;
  readonly output: string;
  /** Whether it is run by its own name, and so needs to say what runs it. */
  readonly executable: boolean;
}

export const PROGRAMS: readonly Program[] = [
  { entry: "predictor/main.ts", output: "predictor.cjs", executable: false },
  { entry: "controller/main.ts", output: "controller.cjs", executable: false },
  { entry: "controller/cli/main.ts", output: "pilotlight.cjs", executable: true },
];

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
