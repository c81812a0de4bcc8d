/**
 * Which copies of models lie on the disk. Those not needed for longest are removed for those that
 * are needed now; a model in memory does without its files, and gets them again when it's loaded
 * again.
 */
import { ServingError } from "../errors.ts";
import { copyOf, listCopies, removeCopy } from "../repository/copies.ts";
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

type Kept = { readonly folder: string; bytes: number; usedAt: number; uri: string | undefined };

export class DiskBudget {
  readonly #options: DiskOptions;
  /** By folder; those of earlier processes are found at the first need. */
  readonly #kept = new Map<string, Kept>();
  readonly #promised = new Map<string, number>();
  #turn: Promise<unknown> = Promise.resolve();
  #read = false;
  #uses = 0;

  constructor(options: DiskOptions) {
    this.#options = options;
  }

  /** The model's files on this machine. Rejects with StorageError or ServingError. */
  async fetch(model: IndexedModel): Promise<readonly ModelVersion[]> {
    const { uri } = model;
    await this.#inTurn(async () => this.#admit(model));
    try {
      const versions = await this.#options.fetch(model);
      const folder = copyOf(this.#options.modelDir, versions[0]?.path ?? "");
      // What lies on this machine anyway is served where it is, and is nobody's copy.
      if (folder === undefined) return versions;
      const bytes = await folderBytes(folder, () => true, true);
      this.#uses += 1;
      this.#kept.set(folder, { folder, bytes, usedAt: this.#uses, uri });
      return versions;
    } finally {
      this.#promised.delete(uri);
    }
  }

  get usedBytes(): number {
    let bytes = 0;
    for (const kept of this.#kept.values()) bytes += kept.bytes;
    for (const promised of this.#promised.values()) bytes += promised;
    return bytes;
  }

  async #admit({ uri, name, bytes }: IndexedModel): Promise<void> {
    const { budgetBytes, modelDir, isLoading } = this.#options;
    if (bytes > budgetBytes) {
      throw new ServingError(
        "failed",
        `the model "${name}" is of ${inMib(bytes)}, and MODEL_DISK_BUDGET of ` +
          `${inMib(budgetBytes)}: raise it`,
      );
    }
    if (!this.#read) {
      for (const { folder, bytes: of } of await listCopies(modelDir)) {
        this.#kept.set(folder, { folder, bytes: of, usedAt: 0, uri: undefined });
      }
      this.#read = true;
    }
    if ([...this.#kept.values()].some((kept) => kept.uri === uri)) return;
    while (this.usedBytes + bytes > budgetBytes) {
      const victim = selectVictim(
        [...this.#kept.values()].map((kept) => ({
          item: kept,
          usedAt: kept.usedAt,
          pinned: kept.uri !== undefined && isLoading(kept.uri),
        })),
      );
      if (victim === undefined) {
        throw new NoRoom(
          `the model "${name}" needs ${inMib(bytes)} of disk, and all that are there are in use`,
        );
      }
      this.#kept.delete(victim.folder);
      await removeCopy(victim.folder);
    }
    this.#promised.set(uri, bytes);
  }

  async #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(task);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}
