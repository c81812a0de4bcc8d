/** How what lies beside a model comes and goes with it, where many models share a memory. */

/** A thread that leaves memory with its model and comes back with it. */
export type Companion = {
  /** It is in memory and listens. */
  readonly awake: boolean;
  /** What it took when it was in memory last, in bytes. */
  readonly bytes: number;
  /** Back into memory; the model's files lie at that path now. Rejects with LoadFailed. */
  resume(modelPath: string): Promise<void>;
  /** Out of memory. */
  suspend(): Promise<void>;
};

/** A model's place in a memory that it shares. */
export type Presence = {
  /** Brings it into memory, until what it resolves with is called. Rejects with ServingError. */
  hold(): Promise<() => void>;
  /** From now on the companion comes and goes with the model. */
  join(companion: Companion): void;
};
