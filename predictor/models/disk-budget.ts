/**
 * Which copies of models lie on the disk. Those not needed for longest are removed for those that
 * are needed now; a model in memory does without its files, and gets them again when it's loaded
 * again.
 */
import { ServingError } from "../errors.ts";
import { copyOf, isCopyOf, listCopies, removeCopy } from "../repository/copies.ts";
import type { IndexedModel } from "../repository/model-index.ts";
import type { ModelVersion } from "../repository/read-folder.ts";
import { selectVictim } from "./eviction.ts";
import { folderBytes } from "./folder-bytes.ts";
import { NoRoom, inMib } from "./unit.ts";

export type DiskOptions = {
  readonly modelDir: string;
  /** For all copies together. */
  readonly budgetBytes: number;
  /** Fetches a model, or finds its copy. */
  readonly fetch: (model: IndexedModel) => Promise<readonly ModelVersion[]>;
  /** Whether a model is on its way into memory: then it needs its files. */
  readonly isLoading: (uri: string) => boolean;
};

type Kept = {
  readonly folder: string;
  readonly bytes: number;
  readonly usedAt: number;
  /** Of an earlier process' copy, known once its model is asked for. */
  model: IndexedModel | undefined;
};

export class DiskBudget {
  readonly #options: DiskOptions;
  /** By folder; those of earlier processes are found at the first need. */
  readonly #kept = new Map<string, Kept>();
  /** What fetches under way may still write. */
  readonly #promised = new Set<{ bytes: number }>();
  #turn: Promise<unknown> = Promise.resolve();
  #read = false;
  #uses = 0;

  constructor(options: DiskOptions) {
    this.#options = options;
  }

  /** The model's files on this machine. Rejects with StorageError or ServingError. */
  async fetch(model: IndexedModel): Promise<readonly ModelVersion[]> {
    const { modelDir, fetch } = this.#options;
    const promise = { bytes: 0 };
    this.#promised.add(promise);
    try {
      await this.#inTurn(async () => (promise.bytes = await this.#admit(model)));
      const versions = await fetch(model);
      const folder = copyOf(modelDir, versions[0]?.path ?? "");
      // What lies on this machine anyway is served where it is, and is nobody's copy.
      if (folder === undefined) return versions;
      await this.#keep(folder, model);
      promise.bytes = 0;
      await this.#inTurn(async () => this.#settle(model));
      return versions;
    } finally {
      this.#promised.delete(promise);
    }
  }

  get usedBytes(): number {
    let bytes = 0;
    for (const kept of this.#kept.values()) bytes += kept.bytes;
    for (const promised of this.#promised) bytes += promised.bytes;
    return bytes;
  }

  /** Notes a model's copy in place of those of its earlier states, which are gone. */
  async #keep(folder: string, model: IndexedModel): Promise<void> {
    const bytes = await folderBytes(folder, () => true, true);
    for (const old of this.#copiesOf(model)) this.#kept.delete(old.folder);
    this.#uses += 1;
    this.#kept.set(folder, { folder, bytes, usedAt: this.#uses, model });
  }

  #copiesOf({ uri }: IndexedModel): Kept[] {
    return [...this.#kept.values()].filter(({ folder }) => isCopyOf(folder, uri));
  }

  /** Makes room for what has to be fetched of a model; how many bytes that is. */
  async #admit(model: IndexedModel): Promise<number> {
    const { budgetBytes } = this.#options;
    const { name, bytes } = model;
    if (bytes > budgetBytes) {
      throw new ServingError(
        "failed",
        `the model "${name}" is of ${inMib(bytes)}, and MODEL_DISK_BUDGET of ` +
          `${inMib(budgetBytes)}: raise it`,
      );
    }
    await this.#readOnce();
    const own = this.#copiesOf(model);
    // An earlier process' copy is taken for one of the present state, as most of them are.
    for (const kept of own) kept.model ??= model;
    if (own.some((kept) => kept.model?.fingerprint === model.fingerprint)) return 0;
    while (this.usedBytes + bytes > budgetBytes) {
      // Its own earlier state goes last: it is served if the present one can't be had.
      const victim = this.#selectVictim(model) ?? this.#copiesOf(model)[0];
      if (victim === undefined) {
        throw new NoRoom(
          `the model "${name}" needs ${inMib(bytes)} of disk, and all that are there are in use`,
        );
      }
      await this.#remove(victim);
    }
    return bytes;
  }

  /** What came may be more than was promised: an archive unpacks, a model has changed. */
  async #settle(model: IndexedModel): Promise<void> {
    while (this.usedBytes > this.#options.budgetBytes) {
      const victim = this.#selectVictim(model);
      if (victim === undefined) return; // All of them in use: they leave with the next fetch.
      await this.#remove(victim);
    }
  }

  /** Of the other models' copies, the one not needed for longest. */
  #selectVictim({ uri }: IndexedModel): Kept | undefined {
    const { isLoading } = this.#options;
    const others = [...this.#kept.values()].filter(({ folder }) => !isCopyOf(folder, uri));
    return selectVictim(
      others.map((kept) => ({
        item: kept,
        usedAt: kept.usedAt,
        pinned: kept.model !== undefined && isLoading(kept.model.uri),
      })),
    );
  }

  async #remove({ folder }: Kept): Promise<void> {
    this.#kept.delete(folder);
    await removeCopy(folder);
  }

  async #readOnce(): Promise<void> {
    if (this.#read) return;
    for (const { folder, bytes } of await listCopies(this.#options.modelDir)) {
      this.#kept.set(folder, { folder, bytes, usedAt: 0, model: undefined });
    }
    this.#read = true;
  }

  async #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(task);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}
