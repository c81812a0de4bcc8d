"""What the tiny tokenizers are trained on, and what the models are asked."""

CORPUS = [
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "Ada Lovelace wrote the first program for the Analytical Engine in London in 1843.",
    "The tower was built between 1887 and 1889 for the world exhibition in Paris.",
    "Water boils at one hundred degrees and freezes at zero, as everybody knows.",
    "I loved this film; the acting was wonderful and the music even better.",
    "This was the worst meal that we have ever had, and the waiter was rude.",
    "Marie Curie was born in Warsaw and worked in France with Pierre Curie.",
    "Zürich lies at the lake; the café on the corner sells crème brûlée for 5 €.",
    "A pilot light burns nothing at zero and lights on the first request.",
    "Translate English to German: the house is small. Das Haus ist klein.",
    "Summarize: the meeting took two hours, and nothing at all was decided in it.",
    "Once upon a time there was a king who had three daughters and a garden.",
]

LONG = " ".join(CORPUS)
EMOJI = "The 🦊 jumps over the 🐶 — naïve café owners in Zürich 🇨🇭 loved it; 日本 too."

QUESTIONS = [
    ("Who wrote the first program?", CORPUS[1], {}),
    ("When was the tower built?", CORPUS[2], {"top_k": 4}),
    ("Where was Marie Curie born?", LONG, {}),
    ("What boils?", LONG, {"doc_stride": 20, "max_seq_len": 64, "top_k": 5}),
    ("What boils?", LONG, {"doc_stride": 30, "max_seq_len": 48, "handle_impossible_answer": True}),
    ("Who jumps?", EMOJI, {"top_k": 3}),
    ("Who jumps?", EMOJI, {"align_to_words": False, "max_answer_len": 4}),
    ("Where?", "  Zürich ", {"handle_impossible_answer": True, "top_k": 3}),
]

CLASSIFIED = [
    ("I loved this film.", {}),
    ("The waiter was rude and the meal was the worst.", {"top_k": 2}),
    ("Zürich 🦊 café", {"top_k": None}),
    ("I loved this film.", {"function_to_apply": "sigmoid", "top_k": 3}),
    ("I loved this film.", {"function_to_apply": "none", "top_k": 3}),
    ({"text": "The dog was lazy.", "text_pair": "The fox jumps."}, {}),
    (LONG, {"truncation": True}),
]

TAGGED = [
    (text, {"aggregation_strategy": how})
    for text in (
        "Ada Lovelace wrote in London",
        "Marie Curie worked in Warsaw, not in Zürich 🦊 or exhibitionism",
    )
    for how in ("none", "simple", "first", "average", "max")
] + [(LONG[:400], {"aggregation_strategy": "first", "stride": 8})]

MASKED = [
    ("the quick brown [MASK] jumps", {}),
    ("the tower was [MASK] in Paris.", {"top_k": 2}),
    ("the [MASK] was [MASK] here", {"top_k": 2}),
    ("the film was [MASK].", {"targets": ["dog", "river", "music"]}),
]

EMBEDDED = ["I loved this film.", EMOJI, "a"]

PROMPTS = [
    ("Once upon a time", {"max_new_tokens": 12}),
    ("Once upon a time", {"max_new_tokens": 12, "return_full_text": False}),
    ("The café 🦊", {"max_new_tokens": 10, "repetition_penalty": 1.8}),
    ("The quick brown fox", {"max_new_tokens": 16, "no_repeat_ngram_size": 2}),
    ("A pilot light", {"max_new_tokens": 8, "min_new_tokens": 8, "repetition_penalty": 1.3}),
    ("Water", {"max_new_tokens": 40, "repetition_penalty": 1.5}),
    ("Water boils", {"max_new_tokens": 12, "num_beams": 2}),
    ("Once upon a time", {"max_new_tokens": 20, "num_beams": 5, "no_repeat_ngram_size": 2}),
    ("Marie Curie", {"max_new_tokens": 16, "num_beams": 3, "repetition_penalty": 1.4}),
    ("Marie Curie", {"max_new_tokens": 16, "num_beams": 3, "early_stopping": True}),
]

SOURCES = [
    ("Summarize: the meeting took two hours, and nothing was decided.", {"max_new_tokens": 12}),
    ("The house is small.", {"max_new_tokens": 16, "repetition_penalty": 1.5}),
    ("Zürich 🦊 café", {"max_new_tokens": 10, "no_repeat_ngram_size": 2}),
    ("A pilot light burns nothing at zero.", {"max_new_tokens": 6, "min_new_tokens": 6}),
]

SOURCES += [
    (text, {"max_new_tokens": 14, "num_beams": beams, **given})
    for text in ("The house is small.", "Zürich 🦊 café")
    for beams, given in (
        (2, {}),
        (4, {"repetition_penalty": 1.5}),
        (3, {"no_repeat_ngram_size": 2, "min_new_tokens": 5}),
    )
]

LONG = [
    ("The meeting took two hours, and nothing was decided.", {"max_new_tokens": 12}),
    ("Water boils at one hundred degrees. " * 3, {"max_new_tokens": 16, "min_new_tokens": 16}),
    ("Water boils at one hundred degrees.", {"max_new_tokens": 16, "num_beams": 1}),
    ("Once upon a time there was a king.", {"max_new_tokens": 16}),
] + [
    (text, {"max_new_tokens": 16, **given})
    for text in CORPUS[:6]
    for given in (
        {},
        {"early_stopping": False, "length_penalty": 1.0},
        {"early_stopping": "never", "length_penalty": 1.6},
        {"early_stopping": False, "length_penalty": -1.0},
        {"early_stopping": "never", "length_penalty": 0.0, "num_beams": 6},
        {"min_new_tokens": 6, "repetition_penalty": 1.5, "num_beams": 2},
    )
]

FOREIGN = [
    ("The house is small.", {}),
    ("The garden has three daughters.", {"num_beams": 1}),
    ("Zürich 🦊 café", {"max_new_tokens": 10, "repetition_penalty": 1.5}),
]
