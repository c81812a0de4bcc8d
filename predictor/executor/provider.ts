/**
 * Which execution provider a model runs on. A wanted one that is not there is no reason not to
 * serve, and never a secret: the model runs on the CPU, and whoever operates it is told why.
 */
import { messageOf } from "../errors.ts";
import { cpu } from "./session-options.ts";
import type { SessionOptions } from "./session-options.ts";
import { openSession } from "./session.ts";
import type { importRuntime, Session } from "./session.ts";

type Runtime = Awaited<ReturnType<typeof importRuntime>>;

export type Placed = {
  readonly session: Session;
  /** onnxruntime's name of it: cpu, cuda, … */
  readonly provider: string;
  /** What an operator should know. */
  readonly notes: readonly string[];
};

/**
 * Opens a session on the first of `providers` that works; nodes of the graph that it has no kernel
 * for run on those after it. Throws what onnxruntime says on the CPU.
 */
export async function openPlaced(
  runtime: Runtime,
  options: Omit<SessionOptions, "providers">,
  providers: readonly string[],
): Promise<Placed> {
  const [wanted = cpu] = providers;
  if (wanted !== cpu) {
    try {
      const session = await openSession(runtime, { ...options, providers: withCpu(providers) });
      return { session, provider: wanted, notes: [] };
    } catch (error) {
      const session = await openSession(runtime, options);
      const reason = messageOf(error).split("\n", 1)[0];
      return { session, provider: cpu, notes: [`runs on the CPU, not on ${wanted}: ${reason}`] };
    }
  }
  return { session: await openSession(runtime, options), provider: cpu, notes: [] };
}

function withCpu(providers: readonly string[]): readonly string[] {
  return providers.includes(cpu) ? providers : [...providers, cpu];
}
