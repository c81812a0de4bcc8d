/** The child as a program of its own, for tests and benchmarks; the predictor re-runs itself. */
import { runChild } from "./child.ts";

await runChild();
