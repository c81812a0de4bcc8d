/**
 * Which models are in memory. Those not needed for longest leave for those that are needed now;
 * what is in use stays. The memory is that of the executor processes as measured, not as guessed:
 * what a process does not give back counts until the process is replaced.
 */
import type { Clock } from "../batch/port.ts";
import type { ServingError } from "../errors.ts";
import { Host } from "../executor/host.ts";
import type { LoadOptions } from "../executor/messages.ts";
import { ExecutorDied, ExecutorRefused } from "../executor/process.ts";
import type { ChildEntry } from "../executor/process.ts";
import { LoadFailed } from "../executor/supervisor.ts";
import { selectVictim, selectWasteful, wasteOf } from "./eviction.ts";
import type { HostMemory } from "./eviction.ts";
import { Turns } from "./turns.ts";
import { Changed, NoRoom, estimateBytes, inMib, sameSignature, tooLarge } from "./unit.ts";
import type { Place, Unit } from "./unit.ts";

export type ResidencyObserver = {
  /** A request found its model in memory, or has to wait for it. */
  found(inMemory: boolean): void;
  loaded(name: string, ms: number): void;
  evicted(name: string): void;
  /** A process was ended on purpose or by a fault, and with it left these models. */
  hostEnded(reason: string, names: readonly string[]): void;
};

export type ResidencyOptions = {
  readonly entry: ChildEntry;
  /** For all executor processes together. */
  readonly budgetBytes: number;
  readonly hostsMax: number;
  /** Threads of one session. */
  readonly threads: number;
  /** See LoadOptions. */
  readonly spinning?: boolean;
  readonly loadTimeoutMs: number;
  /** How long a load waits for models in use to become idle. */
  readonly admissionMs: number;
  readonly clock: Clock;
  readonly observer: ResidencyObserver;
};

/** Until the first process was measured: Node with onnxruntime. */
const baseBytesGuess = 90 * 1024 * 1024;
/** Less than this is no reason to replace a process. */
const wasteBytesMin = 64 * 1024 * 1024;

export class Residency {
  readonly #options: ResidencyOptions;
  readonly #hosts = new Set<Host>();
  readonly #units = new Set<Unit>();
  /** Hosts of one model that ended a process before. */
  readonly #solo = new Set<Host>();
  readonly #turns: Turns;
  /** Memory promised to loads that are under way. */
  readonly #promised = new Map<Unit, number>();
  #uses = 0;
  /** What a process without models takes. */
  #measured = 0;
  #closed = false;

  constructor(options: ResidencyOptions) {
    this.#options = options;
    this.#turns = new Turns(options.clock);
    // Its start takes longest, and the first model is on its way.
    this.#spawn();
  }

  /** Memory of the executor processes, of threads, and what loads under way may take, in bytes. */
  get usedBytes(): number {
    let bytes = 0;
    for (const unit of this.#units) bytes += unit.threadBytes;
    for (const host of this.#hosts) bytes += host.rssBytes || this.#baseBytes();
    for (const promised of this.#promised.values()) bytes += promised;
    return bytes;
  }

  get resident(): number {
    return [...this.#units].filter((unit) => unit.resident).length;
  }

  /**
   * The unit in memory, and there until release(). Rejects with StorageError, LoadFailed, or
   * ServingError when there is no room for it.
   */
  async acquire(unit: Unit): Promise<Place> {
    unit.pins++;
    unit.usedAt = ++this.#uses;
    try {
      while (!unit.resident) {
        unit.loading ??= this.#tryLoad(unit).finally(() => (unit.loading = undefined));
        await unit.loading;
      }
    } catch (error) {
      this.release(unit);
      throw error;
    }
    if (unit.place === undefined) throw new Error("a resident unit has no place");
    return unit.place;
  }

  /** A request for the unit begins; `waited` when it has waited for its load already. */
  asked(unit: Unit, waited: boolean): void {
    this.#options.observer.found(unit.resident && !waited);
  }

  /** The unit may leave memory when the room is needed. */
  release(unit: Unit): void {
    unit.pins--;
    // Its session was lost meanwhile: threads alone are of no use.
    if (unit.pins === 0 && !unit.placed) void unit.sleep();
    this.#turns.wake();
  }

  /** What a pinned unit takes has grown by companions: others leave if that is too much. */
  async grown(unit: Unit): Promise<void> {
    await this.#settle(unit);
  }

  /** Takes a unit out of memory for good, once nobody needs it. */
  async drop(unit: Unit): Promise<void> {
    while (unit.pins > 0) await this.#turns.change(Number.POSITIVE_INFINITY);
    await this.#evict(unit);
    this.#units.delete(unit);
  }

  kill(): void {
    this.#closed = true;
    for (const host of this.#hosts) host.kill();
  }

  async close(): Promise<void> {
    this.kill();
    await Promise.all([...this.#hosts].map(async (host) => host.exited));
  }

  /** One load for all who wait; one that failed is not tried again at each request. */
  async #tryLoad(unit: Unit): Promise<void> {
    unit.backOff.check();
    try {
      await this.#load(unit);
      unit.backOff.clear();
    } catch (error) {
      throw unit.failed(error);
    }
  }

  async #load(unit: Unit): Promise<void> {
    const file = await unit.file();
    const bytes = unit.placed ? 0 : (unit.bytes ?? estimateBytes(file.bytes));
    await this.#admit(unit, bytes + unit.sleepingBytes);
    try {
      if (!unit.placed) {
        const host = this.#selectHost(unit, bytes);
        await host.start();
        await this.#loadInto(host, unit, file.path);
        unit.bytes = Math.max(unit.bytes ?? 0, file.bytes);
      }
      await this.#wake(unit, file.path);
      unit.path = file.path;
    } finally {
      this.#promised.delete(unit);
      this.#turns.wake();
    }
    await this.#settle(unit);
  }

  /** Its threads come with it, or it does not come. */
  async #wake(unit: Unit, path: string): Promise<void> {
    try {
      await unit.wake(path);
    } catch (error) {
      await this.#evict(unit);
      throw error;
    }
  }

  async #loadInto(host: Host, unit: Unit, path: string): Promise<void> {
    const { threads, spinning = false, loadTimeoutMs, clock, observer } = this.#options;
    // Made-up input may hang a model or crash it that serves well otherwise.
    const warmUp = !unit.solo && unit.loaded === undefined;
    const first: LoadOptions = { path, threads, spinning, warmUp };
    const { loaded: known } = unit;
    const options =
      known?.optimization === undefined ? first : { ...first, optimization: known.optimization };
    const startedAtMs = clock.nowMs();
    try {
      const limitMs = warmUp ? loadTimeoutMs / 4 : loadTimeoutMs;
      const { session, loaded, bytes } = await host.load(options, limitMs);
      unit.place = { host, session };
      unit.bytes = bytes;
      this.#units.add(unit);
      if (known !== undefined && !sameSignature(known, loaded)) {
        await this.#evict(unit);
        throw new Changed(unit.name);
      }
      unit.loaded ??= loaded;
      observer.loaded(unit.name, clock.nowMs() - startedAtMs);
    } catch (error) {
      if (this.#solo.has(host)) this.#end(host, "its only model can't be loaded");
      if (error instanceof ExecutorRefused) throw new LoadFailed(error.message, { cause: error });
      if (!(error instanceof ExecutorDied) || this.#closed) throw error;
      if (unit.solo) throw new LoadFailed(error.message, { cause: error });
      unit.solo = true;
      const alone = this.#spawn();
      this.#solo.add(alone);
      await alone.start();
      await this.#loadInto(alone, unit, path);
    }
  }

  /**
   * After a load its memory is known: others leave if it is more than was promised. Who waits for
   * the unit has pinned it. Not in turn: those whose turn it is may wait for this one.
   */
  async #settle(unit: Unit): Promise<void> {
    const { budgetBytes } = this.#options;
    while (this.usedBytes > budgetBytes && (await this.#makeRoom()));
    if (this.usedBytes <= budgetBytes || !unit.resident) return;
    const others = [...this.#units].some((each) => each !== unit && each.placed);
    if (others) return; // All of them in use: they leave with the next load.
    const bytes = (unit.bytes ?? 0) + unit.threadBytes;
    await this.#evict(unit);
    throw this.#tooLarge(unit, bytes);
  }

  /** Waits until so many bytes are free, and promises them to the unit. */
  async #admit(unit: Unit, bytes: number): Promise<void> {
    const { budgetBytes, admissionMs, clock } = this.#options;
    if (bytes + this.#baseBytes() > budgetBytes) throw this.#tooLarge(unit, bytes);
    const untilMs = clock.nowMs() + admissionMs;
    for (;;) {
      // In turn, or two would free the same bytes; others may fit into what one has to wait for.
      if (this.#closed) throw new NoRoom("the models are on their way out");
      const waiting = await this.#turns.inTurn(async () => this.#tryToAdmit(unit, bytes, untilMs));
      if (waiting === undefined) return;
      if (clock.nowMs() >= untilMs) {
        throw new NoRoom(
          `the model "${unit.name}" needs ${inMib(bytes)} of memory, and all models that are ` +
            "loaded are in use; try again later",
        );
      }
      await waiting.change;
    }
  }

  /** Promises the bytes, or gives what to wait for: the next change, watched for from now on. */
  async #tryToAdmit(
    unit: Unit,
    bytes: number,
    untilMs: number,
  ): Promise<{ readonly change: Promise<void> } | undefined> {
    const { budgetBytes, clock } = this.#options;
    while (this.usedBytes + bytes + this.#toSpawn(unit) > budgetBytes) {
      // Nobody leaves for one that would not fit all the same.
      const hopeless = this.#heldBytes(unit) + bytes > budgetBytes;
      if (hopeless || !(await this.#makeRoom())) {
        return { change: this.#turns.change(Math.max(0, untilMs - clock.nowMs())) };
      }
    }
    this.#promised.set(unit, bytes);
    return undefined;
  }

  /** What stays when all leave that can, the process included that the unit needs; at least. */
  #heldBytes(unit: Unit): number {
    const pinned = [...this.#units].filter((each) => each.pins > 0);
    const held = [...this.#hosts].map((host) => {
      const of = pinned.filter((each) => each.place?.host === host);
      const models = of.reduce((sum, each) => sum + (each.bytes ?? 0), 0);
      // As measured it may be less than what the files hold.
      return of.length === 0 ? 0 : Math.min(host.rssBytes, host.baseBytes + models);
    });
    const needsHost = unit.solo || held.every((bytes) => bytes === 0);
    const threads = pinned.filter((each) => each !== unit).map((each) => each.threadBytes);
    const all = [
      ...this.#promised.values(),
      ...threads,
      ...held,
      needsHost ? this.#baseBytes() : 0,
    ];
    return all.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** What a process costs that would have to be started for the unit. */
  #toSpawn(unit: Unit): number {
    return unit.solo || this.#shared().length === 0 ? this.#baseBytes() : 0;
  }

  #tooLarge({ name }: Unit, bytes: number): ServingError {
    const { budgetBytes } = this.#options;
    return tooLarge({ name, bytes, baseBytes: this.#baseBytes(), budgetBytes });
  }

  /** Takes one thing out of memory; false if everything is in use. */
  async #makeRoom(): Promise<boolean> {
    const hosts = [...this.#hosts].map((host) => this.#memoryOf(host));
    // A process that wastes more than it holds is better replaced than asked to free one more.
    const wasteful = hosts.filter((each) => wasteOf(each) > each.modelBytes);
    const first = selectWasteful(wasteful, wasteBytesMin);
    if (first !== undefined) return this.#recycle(first);
    const victim = selectVictim(
      [...this.#units]
        .filter((unit) => unit.placed)
        .map((unit) => ({
          item: unit,
          pinned: unit.pins > 0,
          usedAt: unit.usedAt,
          busy: unit.place?.host.busy === true,
        })),
    );
    if (victim !== undefined) {
      await this.#evict(victim);
      return true;
    }
    const last = selectWasteful(hosts, wasteBytesMin);
    if (last !== undefined) return this.#recycle(last);
    const empty = hosts.find((each) => !each.pinned && each.modelBytes === 0);
    if (empty === undefined) return false;
    // The only one is replaced by another one: that frees no more than what it wastes.
    return (hosts.length > 1 || wasteOf(empty) > 0) && this.#recycle(empty.host);
  }

  #recycle(host: Host): boolean {
    this.#end(host, "to give back its memory");
    return true;
  }

  async #evict(unit: Unit): Promise<void> {
    const { place } = unit;
    unit.place = undefined;
    await unit.sleep();
    if (place?.host.alive !== true) return;
    this.#options.observer.evicted(unit.name);
    if (this.#solo.has(place.host)) this.#end(place.host, "its only model left memory");
    else await place.host.unload(place.session);
  }

  /** The process with the least in it; another one while there may be more and there is room. */
  #selectHost(unit: Unit, bytes: number): Host {
    if (unit.solo) {
      const host = this.#spawn();
      this.#solo.add(host);
      return host;
    }
    const [least] = this.#shared()
      .map((host) => this.#memoryOf(host))
      .sort((one, other) => one.modelBytes - other.modelBytes);
    if (least === undefined) return this.#spawn();
    const { hostsMax, budgetBytes } = this.#options;
    const room = this.usedBytes + this.#baseBytes() <= budgetBytes;
    const wanted = least.modelBytes > 0 && bytes > 0;
    if (wanted && room && this.#shared().length < hostsMax) return this.#spawn();
    return least.host;
  }

  #shared(): Host[] {
    return [...this.#hosts].filter((host) => !this.#solo.has(host) && host.alive);
  }

  #memoryOf(host: Host): HostMemory<Host> {
    const units = [...this.#units].filter((unit) => unit.place?.host === host);
    const pinned = host.busy || units.some((unit) => unit.pins > 0);
    const modelBytes = units.reduce((sum, unit) => sum + (unit.bytes ?? 0), 0);
    return { host, rssBytes: host.rssBytes, baseBytes: host.baseBytes, modelBytes, pinned };
  }

  #baseBytes(): number {
    for (const { baseBytes } of this.#hosts) this.#measured = Math.max(this.#measured, baseBytes);
    return this.#measured || baseBytesGuess;
  }

  #spawn(): Host {
    const host = new Host(this.#options.entry, this.#options.clock);
    this.#hosts.add(host);
    void host.exited.then((death) => this.#forget(host, death.message));
    return host;
  }

  #end(host: Host, why: string): void {
    host.kill();
    this.#forget(host, why);
  }

  #forget(host: Host, why: string): void {
    if (!this.#hosts.delete(host)) return;
    this.#solo.delete(host);
    const units = [...this.#units].filter((unit) => unit.place?.host === host);
    for (const unit of units) {
      unit.place = undefined;
      // What is asked now still needs its threads, and brings the session back.
      if (unit.pins === 0) void unit.sleep();
    }
    const names = units.map((unit) => unit.name);
    if (!this.#closed) this.#options.observer.hostEnded(why, names);
    this.#turns.wake();
  }
}
