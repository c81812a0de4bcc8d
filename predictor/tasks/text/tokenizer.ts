/**
 * The tokenizer of a model: tokenizer.json, run by Hugging Face's own library, with what
 * tokenizer_config.json adds. Truncation and padding that the file asks for are switched off: each
 * task cuts by its own rule, and nothing is ever padded.
 */
import { invalid } from "../../errors.ts";
import { isObject } from "../../protocol/json.ts";
import type { JsonObject } from "../../protocol/json.ts";
import type { Encoding } from "./encoding.ts";

/** Longer texts take seconds to tokenise and more tokens than any model takes. */
const charactersMax = 1_000_000;
/** transformers writes 1e30 for "no limit". */
const lengthMaxDefault = 512;

type Native = InstanceType<(typeof import("tokenizers"))["Tokenizer"]>;

export class TextTokenizer {
  readonly #native: Native;
  readonly #config: JsonObject;
  /** Tokens that the model takes. */
  readonly lengthMax: number;
  /** The prefix of tokens inside of words (`##`), where the model has one. */
  readonly subwordPrefix: string | undefined;

  private constructor(native: Native, config: JsonObject, subwordPrefix: string | undefined) {
    this.#native = native;
    this.#config = config;
    this.subwordPrefix = subwordPrefix;
    const given = Number(config["model_max_length"]);
    this.lengthMax = given > 0 && given < 1e9 ? given : lengthMaxDefault;
  }

  /** Throws what the library says of a tokenizer.json that it can't read. */
  static async open(json: string, config: JsonObject): Promise<TextTokenizer> {
    const { Tokenizer } = await import("tokenizers");
    const parsed: unknown = JSON.parse(json);
    const model = isObject(parsed) && isObject(parsed["model"]) ? parsed["model"] : {};
    const prefix = model["continuing_subword_prefix"];
    const native = Tokenizer.fromString(json);
    native.disableTruncation();
    native.disablePadding();
    const known = typeof prefix === "string" && prefix !== "" ? prefix : undefined;
    return new TextTokenizer(native, config, known);
  }

  /** Throws ServingError `invalid` for a text of more than a million characters. */
  async encode(text: string, pair?: string, special = true): Promise<Encoding> {
    for (const each of [text, pair ?? ""]) {
      if (each.length > charactersMax) {
        throw invalid(`a text is longer than ${charactersMax} characters`);
      }
    }
    const options = { addSpecialTokens: special };
    const encoding = await this.#native.encode(text, pair ?? null, options);
    return {
      ids: encoding.getIds(),
      typeIds: encoding.getTypeIds(),
      tokens: encoding.getTokens(),
      offsets: encoding.getOffsets() as [number, number][],
      sequences: encoding.getSequenceIds().map((each) => each ?? null),
      words: encoding.getWordIds().map((each) => each ?? null),
      special: encoding.getSpecialTokensMask().map((each) => each === 1),
    };
  }

  /** Tokens as text, as Python's decode() gives it. */
  async decode(ids: readonly number[], skipSpecial: boolean): Promise<string> {
    const text = await this.#native.decode([...ids], skipSpecial);
    return this.#config["clean_up_tokenization_spaces"] === true ? cleanUp(text) : text;
  }

  /** Tokens by their names as text, as Python's convert_tokens_to_string() gives it. */
  join(tokens: readonly string[]): string {
    return this.#native.getDecoder()?.decode([...tokens]) ?? tokens.join(" ");
  }

  /** The id of `mask_token`, `eos_token`, … of tokenizer_config.json. */
  specialId(name: string): number | undefined {
    const given = this.#config[name];
    const token = isObject(given) ? given["content"] : given;
    return typeof token === "string" ? (this.id(token) ?? undefined) : undefined;
  }

  id(token: string): number | null {
    return this.#native.tokenToId(token);
  }

  token(id: number): string {
    return this.#native.idToToken(id) ?? "";
  }
}

const spaces: readonly (readonly [string, string])[] = [
  [" .", "."],
  [" ?", "?"],
  [" !", "!"],
  [" ,", ","],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

/** English punctuation without the space that joining tokens leaves before it. */
function cleanUp(text: string): string {
  return spaces.reduce((cleaned, [from, to]) => cleaned.replaceAll(from, to), text);
}
