"""Tiny models of real architectures with random but seeded weights, as Hugging Face folders.

make(folder) writes one folder per task, exported to ONNX by optimum, and returns what of it Python
needs to answer. The weights are drawn large, so that answers differ from input to input. Training a
tokenizer gives another one each time: those that lie in the folder are used again.
"""
import json
import shutil
import tempfile
from pathlib import Path

import torch
from optimum.exporters.onnx import main_export
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    DistilBertConfig,
    DistilBertForQuestionAnswering,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

from texts import CORPUS

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)


def trained(tokenizer, trainer):
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def word_piece(lowercase, length_max, kept):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=400, special_tokens=SPECIAL, show_progress=False, min_frequency=1
    )
    tokenizer = kept or trained(tokenizer, trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    tokenizer.decoder = decoders.WordPiece()
    names = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=length_max,
        sep_token="[SEP]",
        mask_token="[MASK]",
        **names,
    )


def byte_pairs(length_max, kept):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>"],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer = kept or trained(tokenizer, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=length_max,
        eos_token=end,
        bos_token=end,
        unk_token=end,
    )


def unigram(length_max, kept):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer = kept or trained(tokenizer, trainer)
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=length_max,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def labels(*names):
    return dict(
        id2label=dict(enumerate(names)), label2id={name: at for at, name in enumerate(names)}
    )


def bert(kind, tokenizer, seed, **more):
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=tokenizer.model_max_length,
        initializer_range=0.35,
        pad_token_id=tokenizer.pad_token_id,
        **SIZES,
        **more,
    )
    return kind(config).eval(), tokenizer


def question_answering(kept):
    tokenizer = word_piece(True, 96, kept)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    torch.manual_seed(1)
    config = DistilBertConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=96,
        dim=32,
        n_layers=2,
        n_heads=2,
        hidden_dim=64,
        initializer_range=0.5,
        pad_token_id=0,
    )
    return DistilBertForQuestionAnswering(config).eval(), tokenizer


def text_classification(kept):
    names = labels("NEGATIVE", "NEUTRAL", "POSITIVE")
    return bert(BertForSequenceClassification, word_piece(True, 64, kept), 2, **names)


def token_classification(kept):
    names = labels("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    return bert(BertForTokenClassification, word_piece(False, 64, kept), 3, **names)


def fill_mask(kept):
    return bert(BertForMaskedLM, word_piece(True, 64, kept), 4)


def feature_extraction(kept):
    return bert(BertModel, word_piece(True, 64, kept), 5)


def image_classification(_kept):
    torch.manual_seed(6)
    config = ViTConfig(
        image_size=32,
        patch_size=8,
        initializer_range=0.2,
        **SIZES,
        **labels("cat", "dog", "bird", "fish"),
    )
    processor = ViTImageProcessor(size={"height": 32, "width": 32})
    return ViTForImageClassification(config).eval(), processor


def text_generation(kept):
    tokenizer = byte_pairs(128, kept)
    torch.manual_seed(7)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=128,
        n_embd=32,
        n_layer=2,
        n_head=2,
        initializer_range=0.4,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return GPT2LMHeadModel(config).eval(), tokenizer


def text_to_text(kept):
    tokenizer = unigram(96, kept)
    torch.manual_seed(8)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=16,
        d_ff=64,
        num_layers=2,
        num_heads=2,
        initializer_factor=4.0,
        decoder_start_token_id=tokenizer.pad_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        task_specific_params={
            "summarization": {
                "prefix": "Summarize: ",
                "no_repeat_ngram_size": 2,
                "num_beams": 4,
                "length_penalty": 2.0,
                "early_stopping": True,
                # With one of its own a random model would never end a text.
                "eos_token_id": [tokenizer.eos_token_id, *range(6, len(tokenizer), 4)],
            },
            "translation_en_to_de": {
                "prefix": "English to German: ",
                "max_length": 14,
                "num_beams": 3,
                "forced_bos_token_id": 40,
                "forced_eos_token_id": tokenizer.eos_token_id,
                "bad_words_ids": [[tokenizer.pad_token_id], [155], [40, 9]],
            },
        },
    )
    return T5ForConditionalGeneration(config).eval(), tokenizer


# folder: (maker, optimum's name of the task, the files kept)
MODELS = {
    "question-answering": (question_answering, "question-answering"),
    "text-classification": (text_classification, "text-classification"),
    "token-classification": (token_classification, "token-classification"),
    "fill-mask": (fill_mask, "fill-mask"),
    "feature-extraction": (feature_extraction, "feature-extraction"),
    "image-classification": (image_classification, "image-classification"),
    "text-generation": (text_generation, "text-generation-with-past"),
    "text2text-generation": (text_to_text, "text2text-generation-with-past"),
}
UNUSED = ["vocab.txt", "vocab.json", "merges.txt", "spiece.model", "special_tokens_map.json"]


def forget_path(path):
    """Where the model lay while it was exported is nobody's business."""
    config = json.loads(path.read_text())
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def make(folder):
    """Writes every model below folder; gives name → (torch model, tokenizer or image processor)."""
    made = {}
    for name, (maker, task) in MODELS.items():
        target = Path(folder) / name
        kept = target / "tokenizer.json"
        model, processor = maker(Tokenizer.from_file(str(kept)) if kept.exists() else None)
        shutil.rmtree(target, ignore_errors=True)
        with tempfile.TemporaryDirectory() as source:
            model.save_pretrained(source)
            processor.save_pretrained(source)
            with tempfile.TemporaryDirectory() as exported:
                main_export(source, exported, task=task, do_validation=False)
                (target / "onnx").mkdir(parents=True)
                for path in sorted(Path(exported).iterdir()):
                    if path.name in UNUSED:
                        continue
                    inside = path.suffix == ".onnx"
                    shutil.copy(path, (target / "onnx" if inside else target) / path.name)
                forget_path(target / "config.json")
        made[name] = (model, processor)
    return made
