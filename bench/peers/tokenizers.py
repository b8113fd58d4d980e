#!/usr/bin/env python3
"""Encode and train beside Hugging Face tokenizers and tiktoken: speed in turns, ids compared.

    python3 -m venv venv && venv/bin/pip install tokenizers tiktoken numpy
    bench/peers/make_text.py *.deb --megabytes 60 -o text.jsonl
    venv/bin/python bench/peers/tokenizers.py encode build/release/farthing text.jsonl TOKENIZER.json
    venv/bin/python bench/peers/tokenizers.py train build/release/farthing text.jsonl

`encode`: every program holds the documents in memory and encodes them all, with 1 and 2 threads, one
after the other in turns, --rounds times; medians.  Special tokens in the text count as text for
farthing; none of them stands in the text (checked).  tiktoken takes part where the pre-tokenizer is one
pattern (GPT-2's); its rule differs: it merges whatever pair spells a token, so its ids may differ where two
pairs spell the same one.
`train`: each program in a process of its own from the same file; wall seconds and peak memory.
"""
import argparse, json, os, pathlib, resource, statistics, subprocess, sys, tempfile, time

sys.path.pop(0)  # this folder holds a file of the same name as the package


def read_documents(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def run_farthing(program, tokenizer, text, threads, ids):
    out = subprocess.run([program, "bench", "tokenizer", tokenizer, text, "--threads", str(threads), "--rounds", "1",
                          "--ids", ids, "--json"], check=True, capture_output=True, text=True)
    return json.loads(out.stdout)["seconds"][0]


def load_tiktoken(tokenizer_path):
    import tiktoken
    spec = json.load(open(tokenizer_path))
    steps = spec["pre_tokenizer"].get("pretokenizers", [spec["pre_tokenizer"]])
    if not (len(steps) == 1 and steps[0]["type"] == "ByteLevel" and steps[0]["use_regex"]):
        return None
    special = {t["content"]: t["id"] for t in spec["added_tokens"]}
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    symbols = {chr(b): b for b in printable}
    symbols.update({chr(256 + i): b for i, b in enumerate(b for b in range(256) if b not in printable)})
    ranks = {bytes(symbols[c] for c in token): id_ for token, id_ in spec["model"]["vocab"].items() if token not in special}
    return tiktoken.Encoding("ours", pat_str=r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""",
                             mergeable_ranks=ranks, special_tokens=special)


def encode(options):
    import numpy, tiktoken, tokenizers
    documents = read_documents(options.text)
    n_bytes = sum(len(d.encode()) for d in documents)
    special = [t["content"] for t in json.load(open(options.tokenizer))["added_tokens"]]
    assert not any(s in d for d in documents for s in special), "the text spells a special token"
    theirs = tokenizers.Tokenizer.from_file(options.tokenizer)
    tik = load_tiktoken(options.tokenizer)
    print(f"tokenizers {tokenizers.__version__}, tiktoken {tiktoken.__version__}, {n_bytes / 1e6:.1f} MB, "
          f"{len(documents)} documents", flush=True)
    ids_path = tempfile.mktemp()
    for threads in options.threads:
        seconds = {"farthing": [], "tokenizers": [], "tiktoken": []}
        os.environ["RAYON_NUM_THREADS"] = str(threads)
        os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
        for _ in range(options.rounds):
            seconds["farthing"].append(run_farthing(options.farthing, options.tokenizer, options.text, threads, ids_path))
            begin = time.perf_counter()
            encodings = theirs.encode_batch_fast(documents, add_special_tokens=False)
            seconds["tokenizers"].append(time.perf_counter() - begin)
            hf_ids = numpy.concatenate([numpy.array(e.ids, dtype=numpy.int32) for e in encodings])
            del encodings
            if tik is not None:
                begin = time.perf_counter()
                if threads == 1:
                    tik_ids = [tik.encode_ordinary(d) for d in documents]
                else:
                    tik_ids = tik.encode_ordinary_batch(documents, num_threads=threads)
                seconds["tiktoken"].append(time.perf_counter() - begin)
        ours = numpy.fromfile(ids_path, dtype=numpy.int32)
        print(f"ids equal tokenizers': {numpy.array_equal(ours, hf_ids)} ({len(ours)} ids)")
        if tik is not None:
            differ, start = 0, 0
            for ids in tik_ids:
                differ += not numpy.array_equal(ours[start : start + len(ids)], numpy.array(ids, dtype=numpy.int32))
                start += len(ids)
            print(f"documents whose ids differ from tiktoken's: {differ} of {len(documents)}")
        mine = statistics.median(seconds["farthing"])
        for name, values in seconds.items():
            if values:
                median = statistics.median(values)
                print(f"{threads} thread(s)  {name:10}  {n_bytes / median / 1e6:7.1f} MB/s  x{median / mine:.1f}  "
                      f"[{', '.join(f'{v:.2f}' for v in values)}]", flush=True)
    os.unlink(ids_path)


def train_theirs(text, vocab_size):
    """In a process of its own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=["<|begin_of_text|>", "<|end_of_text|>", "<|pad|>"],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    def texts():
        with open(text, encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["text"]
    begin = time.perf_counter()
    tokenizer.train_from_iterator(texts(), trainer)
    print(json.dumps({"seconds": time.perf_counter() - begin, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                      "vocab": tokenizer.get_vocab_size()}))
    return tokenizer


def train(options):
    import tokenizers
    print(f"tokenizers {tokenizers.__version__}, {os.path.getsize(options.text) / 1e6:.0f} MB of JSON lines, "
          f"{options.vocab_size} tokens", flush=True)
    for threads in options.threads:
        rows = {"farthing": [], "tokenizers": []}
        env = dict(os.environ, RAYON_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="true" if threads > 1 else "false")
        for _ in range(options.rounds):
            out = tempfile.mktemp(suffix=".json")
            done = subprocess.run([options.farthing, "tokenizer", "train", options.text, "--vocab-size", str(options.vocab_size),
                                   "--pre-tokenizer", "gpt2", "--threads", str(threads), "-o", out, "--json"],
                                  check=True, capture_output=True, text=True)
            ours = json.loads(done.stdout)
            rows["farthing"].append((ours["seconds"], ours["peak_resident_bytes"]))
            os.unlink(out)
            done = subprocess.run([sys.executable, __file__, "train-theirs", options.text, str(options.vocab_size)],
                                  check=True, capture_output=True, text=True, env=env)
            theirs = json.loads(done.stdout)
            rows["tokenizers"].append((theirs["seconds"], theirs["peak"]))
        mine = statistics.median(s for s, _ in rows["farthing"])
        for name, values in rows.items():
            median = statistics.median(s for s, _ in values)
            print(f"{threads} thread(s)  {name:10}  {median:7.2f} s  x{median / mine:.1f}  peak {values[0][1] / 1e6:.0f} MB  "
                  f"[{', '.join(f'{s:.2f}' for s, _ in values)}]", flush=True)


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "train-theirs":
        train_theirs(sys.argv[2], int(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    for name, run in (("encode", encode), ("train", train)):
        command = commands.add_parser(name)
        command.add_argument("farthing")
        command.add_argument("text", help="JSON lines with a key text")
        if name == "encode":
            command.add_argument("tokenizer", help="tokenizer.json")
        else:
            command.add_argument("--vocab-size", type=int, default=32768)
        command.add_argument("--threads", type=int, nargs="+", default=[1, 2])
        command.add_argument("--rounds", type=int, default=3 if name == "encode" else 1)
        command.set_defaults(run=run)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
