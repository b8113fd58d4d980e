#!/usr/bin/env python3
"""compare_prepare.py - `farthing data prepare` and datatrove doing the same steps on the same input.

    python3 bench/peers/compare_prepare.py INPUT.jsonl --farthing build/release/farthing [--workers 2]
                                           [--rounds 3] [--no-rules]

Steps of both, in turns, each `rounds` times: read, Gopher's repetition rules (unless --no-rules,
which leaves what both do alike and nothing else), MinHash near-duplicate removal (5-word shingles, 14
bands of 8), tokenize with one tokenizer (a 16k byte-level BPE that farthing trains first, not
counted), write token files.  datatrove runs as its documentation has it: LocalPipelineExecutor with
the input in as many files as workers, an English word tokenizer (spaCy), and the four MinHash stages.
What differs: words are split by other rules, and farthing also checks each candidate by its estimated
Jaccard index, so the counts of what stays are near each other and not equal; both are printed.
Needs a Python with: pip install 'datatrove[io,processing]' spacy xxhash orjson
"""
import argparse
import importlib.metadata
import json
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

# A script of this folder is called as a package that datatrove imports.
FOLDER = pathlib.Path(__file__).resolve().parent
sys.path[:] = [path for path in sys.path if pathlib.Path(path).resolve() != FOLDER]

RULES = ("gopher.duplicate_paragraphs gopher.duplicate_paragraph_characters gopher.duplicate_lines "
         "gopher.duplicate_line_characters gopher.top_2gram gopher.top_3gram gopher.top_4gram "
         + " ".join(f"gopher.duplicate_{n}gram" for n in range(5, 11))).replace(" ", ",")


def split_input(path, folder, n_files):
    folder.mkdir()
    files = [open(folder / f"{i}.jsonl", "w") for i in range(n_files)]
    for number, line in enumerate(open(path)):
        files[number % n_files].write(line)
    for file in files:
        file.close()


def run_farthing(options, folder, tokenizer, threads):
    out = folder / "farthing"
    command = [options.farthing, "data", "prepare", str(folder / "in"), "-o", str(out), "--clean",
               "none" if options.no_rules else RULES, "--dedup", "near", "--tokenizer",
               str(tokenizer), "--threads", str(threads),
               "--val-fraction", "0.01", "--json"]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.monotonic() - began
    if done.returncode != 0:
        sys.exit(done.stderr)
    card = json.loads(done.stdout)
    shutil.rmtree(out)
    dropped = card["dropped"]
    by_rules = sum(n for reason, n in dropped.items() if reason.startswith("gopher"))
    return {"seconds": seconds, "in": card["documents_in"], "out": card["documents_out"],
            "by_rules": by_rules,
            "duplicates": dropped.get("near_duplicate", 0) + dropped.get("exact_duplicate", 0),
            "tokens": sum(s["train"]["tokens"] + s["val"]["tokens"] for s in card["sources"]),
            "peak_megabytes": card["cost"]["peak_resident_bytes"] / 1e6}


def run_datatrove(options, folder, tokenizer, workers):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (MinhashDedupBuckets, MinhashDedupCluster,
                                          MinhashDedupFilter, MinhashDedupSignature)
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.filters import GopherRepetitionFilter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer
    from datatrove.pipeline.writers import JsonlWriter

    work = folder / "datatrove"
    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)

    def run(name, tasks, *steps):
        LocalPipelineExecutor(pipeline=list(steps), tasks=tasks, workers=workers,
                              logging_dir=str(work / "log" / name), skip_completed=False).run()

    began = time.monotonic()
    clean = folder / "in"
    if not options.no_rules:
        clean = work / "clean"
        run("clean", workers, JsonlReader(str(folder / "in")), GopherRepetitionFilter(),
            JsonlWriter(str(clean), compression=None))
    run("signatures", workers, JsonlReader(str(clean)),
        MinhashDedupSignature(str(work / "sig"), config=config))
    run("buckets", config.num_buckets, MinhashDedupBuckets(str(work / "sig"), str(work / "buckets"),
                                                           config=config))
    run("cluster", 1, MinhashDedupCluster(str(work / "buckets"), str(work / "remove"),
                                          config=config))
    run("tokens", workers, JsonlReader(str(clean)),
        MinhashDedupFilter(str(work / "remove")),
        DocumentTokenizer(str(work / "tokens"), tokenizer_name_or_path=str(tokenizer),
                          eos_token="<|end_of_text|>", shuffle_documents=False))
    seconds = time.monotonic() - began
    n_clean = sum(1 for path in clean.iterdir() for _ in open(path))
    stats = json.loads((work / "log" / "tokens" / "stats.json").read_text())
    kept = stats[-1]["stats"]["tokens"]
    usage = max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
                resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    shutil.rmtree(work)
    return {"seconds": seconds, "after_rules": n_clean, "out": kept.get("n", 0),
            "tokens": kept.get("total", kept) if isinstance(kept, dict) else kept,
            "largest_process_megabytes": usage * 1024 / 1e6}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input")
    parser.add_argument("--farthing", required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-rules", action="store_true")
    options = parser.parse_args()
    options.farthing = str(pathlib.Path(options.farthing).resolve())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="compare-prepare-"))
    try:
        split_input(options.input, folder / "in", options.workers)
        subprocess.run([options.farthing, "tokenizer", "train", str(folder / "in"), "--vocab-size",
                        "16384", "-o", str(folder / "tokenizer.json")], check=True,
                       stdout=subprocess.DEVNULL)
        tokenizer = folder / "tokenizer.json"
        ours, theirs = [], []
        for _ in range(options.rounds):
            ours.append(run_farthing(options, folder, tokenizer, options.workers))
            theirs.append(run_datatrove(options, folder, tokenizer, options.workers))
            print(f"farthing {ours[-1]['seconds']:.2f} s, datatrove {theirs[-1]['seconds']:.2f} s",
                  file=sys.stderr)
        ours, theirs = (sorted(rounds, key=lambda found: found["seconds"])[len(rounds) // 2]
                        for rounds in (ours, theirs))
        size = pathlib.Path(options.input).stat().st_size
        print(json.dumps({"input_bytes": size, "workers": options.workers,
                          "rounds": options.rounds, "rules": not options.no_rules, "farthing": ours,
                          "datatrove": theirs, "ratio": theirs["seconds"] / ours["seconds"],
                          "versions": {name: importlib.metadata.version(name)
                                       for name in ("datatrove", "tokenizers", "spacy")}}, indent=1))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
