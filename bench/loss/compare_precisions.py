#!/usr/bin/env python3
"""compare_precisions.py - does a lower precision cost loss?  Paired runs, in slices, resumable.

    python3 bench/loss/compare_precisions.py --data DATA --out DIR                 all, 20 minutes
    python3 bench/loss/compare_precisions.py --data DATA --out DIR --slice 60      one slice of 60 s
    python3 bench/loss/compare_precisions.py --table                               what there is so far
    python3 bench/loss/compare_precisions.py --data DATA --out DIR --plan tiny --tokens 2e5 --seeds 1
    python3 bench/loss/compare_precisions.py --data DATA --out DIR --variants fp8 --threads 1

DATA is a folder made by `farthing data prepare` whose vocabulary fits the preset's.  The plan is
`tiny`, 4 million tokens, seeds 1 2 3, then `small`, 1.5 million tokens, seeds 1 2; each in fp32, bf16,
fp16, fp8 and as a control fp32 with micro-batches of one sequence: the same mathematics added up in
another order.  `fp8-but-forward`, `-input` and `-weight` keep that product of the linear layers in
FP32 (precision.fp32_product), to find what costs the loss; they run when --variants names them.
A run that is cut by the end of a slice is saved and resumed by the next.  Finished runs
are lines of --results (bench/loss/results.csv, kept with the sources), named by the SHA-256 of the
training tokens: what is there, is not run again, on any machine.  Bits do not depend on threads, so
calls with different --variants may work side by side, each with few of them.

The table: mean over seeds of the paired difference of final validation loss (always evaluated in
FP32) from fp32 with the same seed, in per cent, and its standard error.  The bar: within 0.25 % for
fp8 (DeepSeek's own figure), 0.1 % for fp16 and bf16, or within two standard errors of the control;
a mean inside it whose own standard error is larger than the bar is said to be so.
"""
import argparse
import csv
import fcntl
import hashlib
import json
import math
import pathlib
import platform
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
VARIANTS = {"fp32": [], "bf16": ['precision.matmul="bf16"'], "fp16": ['precision.matmul="fp16"'],
            "fp8": ['precision.matmul="fp8"'], "control": ["train.micro_batch=1"]}
# FP8 but for one of the three products of linear layers; only where --variants names them.
DIAGNOSES = {f"fp8-but-{product}": ['precision.matmul="fp8"', f'precision.fp32_product="{product}"']
             for product in ("forward", "input", "weight")}
BARS = {"bf16": 0.1, "fp16": 0.1, "fp8": 0.25}
PLAN = [("tiny", 4e6, (1, 2, 3)), ("small", 1.5e6, (1, 2))]
EXIT_SAVED = 75  # after SIGTERM: run it again


def folder(out, preset, tokens, seed, variant):
    return out / f"{preset}-{tokens:.0f}tok-seed{seed}-{variant}"


def final_loss(run):
    """Validation loss, nats per token, of a finished run and its start; None where there is none yet."""
    events = run / "events.jsonl"
    if not events.exists():
        return None, None
    loss = finished = start = None
    for line in events.read_text().splitlines():
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue  # a torn last line
        if event["kind"] == "run_start":
            start = event
        if event["kind"] == "eval" and event.get("complete", True):
            loss = event["loss"]
        finished = event["kind"] == "run_end" and event.get("reason") == "finished"
    return (loss if finished else None), start


COLUMNS = ["data", "preset", "tokens", "seed", "variant", "loss", "isa", "cpu", "version"]


class Results:
    """The lines of a CSV file: one finished run each."""

    def __init__(self, path, data):
        self.path, self.data = path, data

    def losses(self):
        if not self.path.exists():
            return {}
        with open(self.path, newline="", encoding="utf-8") as file:
            return {(row["preset"], float(row["tokens"]), int(row["seed"]), row["variant"]):
                    float(row["loss"]) for row in csv.DictReader(file)
                    if self.data in (None, row["data"])}

    def add(self, preset, tokens, seed, variant, loss, start, version):
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            writer = csv.writer(file, lineterminator="\n")
            if file.tell() == 0:
                writer.writerow(COLUMNS)
            writer.writerow([self.data, preset, f"{tokens:.0f}", seed, variant, repr(loss), start["isa"],
                             processor(), version])


def processor():
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def data_name(folder):
    digest = hashlib.sha256()
    with open(folder / "train.bin", "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()[:16]


def train(args, run, preset, tokens, seed, variant, seconds):
    """Goes on with a run for at most `seconds`.  True: it is finished."""
    sets = [f'data.train="{args.data.resolve()}"', f"train.seed={seed}", f"data.seed={seed}",
            'precision.head="default"', *(VARIANTS | DIAGNOSES)[variant]]
    command = [str(args.farthing), "train", preset, "--run", str(run), "--until", f"{tokens:.0f}tok"]
    for value in sets:
        command += ["--set", value]
    if args.threads:
        command += ["--threads", str(args.threads)]
    with open(f"{run}.log", "a", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            status = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            status = process.wait()
    if status not in (0, EXIT_SAVED):
        sys.exit(f"{run}: farthing train ended with {status}; see {run}.log")
    return status == 0


def paired(losses, preset, tokens, seeds, variant):
    """Per cent, of the seeds that have both."""
    both = [(losses.get((preset, tokens, seed, "fp32")), losses.get((preset, tokens, seed, variant)))
            for seed in seeds]
    return [100 * (other / base - 1) for base, other in both if base is not None and other is not None]


def verdict(variant, mean, error, control):
    if variant not in BARS:
        return ""
    if abs(mean) <= BARS[variant]:
        doubt = ", which is less than its error" if error is not None and error > BARS[variant] else ""
        return f"within {BARS[variant]} %{doubt}"
    if control and error is not None and abs(mean - statistics.mean(control)) <= 2 * error:
        return "within two standard errors of the control"
    return "outside the bar"


def table(losses, plan):
    lines = ["| preset | tokens | precision | runs | validation loss | difference from fp32 | verdict |",
             "|---|---|---|---|---|---|---|"]
    for preset, tokens, seeds in plan:
        control = paired(losses, preset, tokens, seeds, "control")
        for variant in VARIANTS | DIAGNOSES:
            values = [losses[key] for seed in seeds
                      if (key := (preset, tokens, seed, variant)) in losses]
            if not values:
                continue
            differences = paired(losses, preset, tokens, seeds, variant)
            text = word = ""
            if variant != "fp32" and differences:
                mean = statistics.mean(differences)
                error = (statistics.stdev(differences) / math.sqrt(len(differences))
                         if len(differences) > 1 else None)
                text = f"{mean:+.3f} % " + (f"± {error:.3f} %" if error is not None else "(one run)")
                word = verdict(variant, mean, error, control)
            lines.append(f"| {preset} | {tokens:.3g} | {variant} | {len(values)} of {len(seeds)} | "
                         f"{statistics.mean(values):.4f} | {text} | {word} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, help="folder with train.bin and val.bin")
    parser.add_argument("--out", type=pathlib.Path, help="where the runs are kept")
    parser.add_argument("--farthing", type=pathlib.Path, default=ROOT / "build/release/farthing")
    parser.add_argument("--slice", type=float, default=1200, help="seconds of this call")
    parser.add_argument("--plan", choices=["tiny", "small"], help="one preset alone")
    parser.add_argument("--tokens", type=float, help="instead of the plan's")
    parser.add_argument("--seeds", type=int, nargs="+", help="instead of the plan's")
    parser.add_argument("--variants", nargs="+", choices=[*VARIANTS, *DIAGNOSES],
                        default=list(VARIANTS))
    parser.add_argument("--threads", type=int, help="of a run; default: all")
    parser.add_argument("--results", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent / "results.csv")
    parser.add_argument("--table", action="store_true", help="print the table and train nothing")
    args = parser.parse_args()
    plan = [(preset, args.tokens or tokens, tuple(args.seeds or seeds))
            for preset, tokens, seeds in PLAN if args.plan in (None, preset)]
    results = Results(args.results, data_name(args.data) if args.data else None)
    if not args.table:
        if args.data is None or args.out is None:
            parser.error("--data and --out are needed to train")
        args.out.mkdir(parents=True, exist_ok=True)
        train_all(args, plan, results)
    print(table(results.losses(), plan))


def train_all(args, plan, results):
    """What the results lack, until the slice ends: seed by seed, so that a partial table already
    compares all variants."""
    end = time.monotonic() + args.slice
    version = subprocess.run([args.farthing, "--version"], capture_output=True, text=True).stdout.strip()
    work = [(preset, tokens, seed, variant) for preset, tokens, seeds in plan
            for seed in seeds for variant in args.variants]
    for preset, tokens, seed, variant in work:
        if (preset, tokens, seed, variant) in results.losses():
            continue
        run = folder(args.out, preset, tokens, seed, variant)
        left = end - time.monotonic()
        if left <= 1 or not train(args, run, preset, tokens, seed, variant, left):
            return
        loss, start = final_loss(run)
        results.add(preset, tokens, seed, variant, loss, start, version)


if __name__ == "__main__":
    main()
