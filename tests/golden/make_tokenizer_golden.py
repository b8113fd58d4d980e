#!/usr/bin/env python3
"""make_tokenizer_golden.py - two small tokenizers trained by Hugging Face, and what they encode.

Run by hand with the `tokenizers` package:   python3 tests/golden/make_tokenizer_golden.py

Writes tokenizer_{gpt2,deepseek}_style.json and, for each, tokenizer_*_cases.json: a list of
[text, ids, ids with special tokens read as text, or null: the same].  The training text is made up here, so that
nothing of anyone's is in the files; the fuzz strings come from fuzz_text.py.
"""
import json
import pathlib
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from fuzz_text import fuzz_strings, made_up_text

FOLDER = pathlib.Path(__file__).parent
DEEPSEEK_PATTERNS = [
    r"\p{N}{1,3}",
    "[一-龥\u3040-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
]
SPECIAL = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]


def deepseek_style():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(p), "isolated") for p in DEEPSEEK_PATTERNS]
        + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return tokenizer, SPECIAL, ["<｜User｜>", "<｜User｜>x", AddedToken("word", single_word=True)]


def gpt2_style():
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)
    return tokenizer, ["<|endoftext|>"], [
        AddedToken("<mask>", lstrip=True, special=True), AddedToken("<r>", rstrip=True),
        AddedToken("  ", normalized=True), AddedToken("<mask>x", normalized=False)]


def make(name, made):
    tokenizer, special, added = made
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=640, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(made_up_text(random.Random(1), 3000), trainer)
    tokenizer.add_tokens([t for t in added if not getattr(t, "special", False)])
    tokenizer.add_special_tokens([t for t in added if getattr(t, "special", False)])
    tokenizer.save(str(FOLDER / f"tokenizer_{name}_style.json"), pretty=False)
    contents = special + [str(getattr(t, "content", t)) for t in added]
    cases = []
    for text in fuzz_strings(random.Random(2), 250, contents):
        tokenizer.encode_special_tokens = False
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = True
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        cases.append([text, ids, None if plain == ids else plain])
    text = ",\n".join(json.dumps(c, separators=(",", ":"), ensure_ascii=False) for c in cases)
    (FOLDER / f"tokenizer_{name}_cases.json").write_text(f"[\n{text}\n]\n")
    print(name, tokenizer.get_vocab_size(), "tokens,", len(cases), "cases")


if __name__ == "__main__":
    make("deepseek", deepseek_style())
    make("gpt2", gpt2_style())
