"""Writes the fixtures of the task tests: tiny models, and what Python's transformers answers.

Usage: fixtures.py FOLDER. Run by `npm run fixtures:tasks`, which says where such a Python comes from.
"""
import json
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import torch
import transformers

# torch 1.13 predates Python 3.11, where this module of it fails; nothing here is distributed.
torch.distributed.fsdp = types.ModuleType("fsdp")
torch.distributed.fsdp.FullyShardedDataParallel = type("Unused", (), {})
sys.modules["torch.distributed.fsdp"] = torch.distributed.fsdp

from transformers import LogitsProcessorList, pipeline  # noqa: E402
from transformers.generation.logits_process import (  # noqa: E402
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

import texts  # noqa: E402
from models import make  # noqa: E402
from pictures import PICTURES, write_pictures  # noqa: E402

warnings.filterwarnings("ignore")


def plain(value):
    """Python's answer as JSON; floats with as many digits as a float32 has."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{float(value):.7g}")
    return int(value) if isinstance(value, np.integer) else value


def ask(kind, made, cases):
    model, tokenizer = made
    run = pipeline(kind, model=model, tokenizer=tokenizer, framework="pt")
    return [
        {"inputs": inputs, "parameters": given, "answer": plain(run(inputs, **given))}
        for inputs, given in cases
    ]


def ask_questions(made):
    model, tokenizer = made
    run = pipeline("question-answering", model=model, tokenizer=tokenizer, framework="pt")
    return [
        {
            "inputs": {"question": question, "context": context},
            "parameters": given,
            "answer": plain(run(question=question, context=context, **given)),
        }
        for question, context, given in texts.QUESTIONS
    ]


def ask_pictures(made, folder):
    model, processor = made
    run = pipeline("image-classification", model=model, image_processor=processor, framework="pt")
    rows = []
    for name in PICTURES:
        answer = plain(run(str(folder / name)))
        rows.append({"file": name, "parameters": {}, "answer": answer})
    return rows


def ask_features(made):
    rows = ask("feature-extraction", made, [(text, {}) for text in texts.EMBEDDED])
    for row in rows:
        tokens = torch.tensor(row["answer"][0])
        mean = tokens.mean(dim=0)
        row["mean"] = plain(mean.tolist())
        row["meanNormalized"] = plain((mean / mean.norm()).tolist())
    return rows


def generate(kind, made, cases):
    return ask(kind, made, [(text, {**given, "do_sample": False}) for text, given in cases])


def warped():
    """What is left of next-token scores after sampling's filters, for equal scores and history."""
    torch.manual_seed(9)
    scores = torch.randn(1, 40) * 3
    history = torch.tensor([[1, 5, 5, 39]])
    rows = []
    for given in (
        {"temperature": 0.7},
        {"top_k": 5},
        {"top_p": 0.8},
        {"repetition_penalty": 1.4},
        {"repetition_penalty": 1.4, "temperature": 1.3, "top_k": 12, "top_p": 0.9},
    ):
        steps = LogitsProcessorList()
        if "repetition_penalty" in given:
            steps.append(RepetitionPenaltyLogitsProcessor(given["repetition_penalty"]))
        if "temperature" in given:
            steps.append(TemperatureLogitsWarper(given["temperature"]))
        if "top_k" in given:
            steps.append(TopKLogitsWarper(given["top_k"]))
        if "top_p" in given:
            steps.append(TopPLogitsWarper(given["top_p"]))
        left = steps(history, scores.clone()).softmax(dim=-1)[0]
        rows.append({"parameters": given, "probabilities": plain(left.tolist())})
    return {"scores": plain(scores[0].tolist()), "history": history[0].tolist(), "rows": rows}


def main(folder):
    made = make(folder)
    write_pictures(folder / "image-classification")
    cases = {
        "question-answering": ask_questions(made["question-answering"]),
        "text-classification": ask(
            "text-classification", made["text-classification"], texts.CLASSIFIED
        ),
        "token-classification": ask(
            "token-classification", made["token-classification"], texts.TAGGED
        ),
        "fill-mask": ask("fill-mask", made["fill-mask"], texts.MASKED),
        "feature-extraction": ask_features(made["feature-extraction"]),
        "image-classification": ask_pictures(
            made["image-classification"], folder / "image-classification"
        ),
        "text-generation": generate("text-generation", made["text-generation"], texts.PROMPTS),
        "text2text-generation": generate(
            "text2text-generation", made["text2text-generation"], texts.SOURCES
        ),
        # The same model, by what its configuration says of each. After the above: a pipeline leaves
        # what it read there in the model.
        "summarization": generate("summarization", made["text2text-generation"], texts.LONG),
        "translation": generate(
            "translation_en_to_de", made["text2text-generation"], texts.FOREIGN
        ),
    }
    by = {"transformers": transformers.__version__, "torch": torch.__version__}
    for name, rows in cases.items():
        text = json.dumps({"by": by, "cases": rows}, ensure_ascii=False, indent=1)
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "expected.json").write_text(text + "\n")
    (folder / "sampling.json").write_text(json.dumps({"by": by, **warped()}, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
