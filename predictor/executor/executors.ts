/** Several executors of one model: processes of their own behind one queue. */
import type { LoadedModel } from "./messages.ts";
import { Supervisor } from "./supervisor.ts";
import type { SupervisorOptions } from "./supervisor.ts";

export class Executors {
  /** One for each process. */
  readonly ports: readonly Supervisor[];

  /** Starts the processes at once: onnxruntime loads while the model is still on its way. */
  constructor(count: number, options: SupervisorOptions) {
    this.ports = Array.from({ length: count }, () => new Supervisor(options));
  }

  /** One at least holds the model: requests are served. */
  get loaded(): boolean {
    return this.ports.some((each) => each.loaded);
  }

  /** None runs anything. */
  ready(): boolean {
    return this.ports.every((each) => each.ready());
  }

  /** Loads the model into all of them. Rejects with LoadFailed when one of them can't. */
  async load(path: string): Promise<LoadedModel> {
    const [first] = await Promise.all(this.ports.map(async (each) => each.load(path)));
    if (first === undefined) throw new Error("there are no executors");
    return first;
  }

  /** Ends the processes for good without waiting; for the parent's own end. */
  kill(): void {
    for (const each of this.ports) each.kill();
  }

  /** Ends the processes for good, whatever they do. */
  async close(): Promise<void> {
    await Promise.all(this.ports.map(async (each) => each.close()));
  }
}
