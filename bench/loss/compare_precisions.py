#!/usr/bin/env python3
"""compare_precisions.py - does a lower precision cost loss?  Paired runs, in slices, resumable.

    python3 bench/loss/compare_precisions.py --data DATA --out DIR                 all, 20 minutes
    python3 bench/loss/compare_precisions.py --data DATA --out DIR --slice 60      one slice of 60 s
    python3 bench/loss/compare_precisions.py --out DIR --table                     what there is so far
    python3 bench/loss/compare_precisions.py --data DATA --out DIR --plan tiny --tokens 2e5 --seeds 1

DATA is a folder made by `farthing data prepare` whose vocabulary fits the preset's.  The plan is
`tiny`, 4 million tokens, seeds 1 2 3, then `small`, 1.5 million tokens, seed 1; each in fp32, bf16,
fp16, fp8 and as a control fp32 with micro-batches of one sequence: the same mathematics added up in
another order.  A run that is cut by the end of a slice is saved and resumed by the next.

The table: mean over seeds of the paired difference of final validation loss (always evaluated in
FP32) from fp32 with the same seed, in per cent, and its standard error.  The bar: within 0.25 % for
fp8 (DeepSeek's own figure), 0.1 % for fp16 and bf16, or within two standard errors of the control.
"""
import argparse
import json
import math
import pathlib
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
VARIANTS = {"fp32": [], "bf16": ['precision.matmul="bf16"'], "fp16": ['precision.matmul="fp16"'],
            "fp8": ['precision.matmul="fp8"'], "control": ["train.micro_batch=1"]}
BARS = {"bf16": 0.1, "fp16": 0.1, "fp8": 0.25}
PLAN = [("tiny", 4e6, (1, 2, 3)), ("small", 1.5e6, (1,))]
EXIT_SAVED = 75  # after SIGTERM: run it again


def folder(out, preset, tokens, seed, variant):
    return out / f"{preset}-{tokens:.0f}tok-seed{seed}-{variant}"


def final_loss(run):
    """Validation loss, nats per token, of a finished run; None where there is none yet."""
    events = run / "events.jsonl"
    if not events.exists():
        return None
    loss = finished = None
    for line in events.read_text().splitlines():
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue  # a torn last line
        if event["kind"] == "eval" and event.get("complete", True):
            loss = event["loss"]
        finished = event["kind"] == "run_end" and event.get("reason") == "finished"
    return loss if finished else None


def train(args, run, preset, tokens, seed, variant, seconds):
    """Goes on with a run for at most `seconds`.  True: it is finished."""
    sets = [f'data.train="{args.data.resolve()}"', f"train.seed={seed}", f"data.seed={seed}",
            'precision.head="default"', *VARIANTS[variant]]
    command = [str(args.farthing), "train", preset, "--run", str(run), "--until", f"{tokens:.0f}tok"]
    for value in sets:
        command += ["--set", value]
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


def paired(out, preset, tokens, seeds, variant):
    differences = []
    for seed in seeds:
        base = final_loss(folder(out, preset, tokens, seed, "fp32"))
        other = final_loss(folder(out, preset, tokens, seed, variant))
        if base is not None and other is not None:
            differences.append(100 * (other / base - 1))
    return differences


def verdict(variant, mean, error, control):
    if variant not in BARS:
        return ""
    if abs(mean) <= BARS[variant]:
        return f"within {BARS[variant]} %"
    if control and error is not None and abs(mean - statistics.mean(control)) <= 2 * error:
        return "within two standard errors of the control"
    return "outside the bar"


def table(out, plan):
    lines = ["| preset | tokens | precision | runs | validation loss | difference from fp32 | verdict |",
             "|---|---|---|---|---|---|---|"]
    for preset, tokens, seeds in plan:
        control = paired(out, preset, tokens, seeds, "control")
        for variant in VARIANTS:
            losses = [final_loss(folder(out, preset, tokens, seed, variant)) for seed in seeds]
            losses = [loss for loss in losses if loss is not None]
            if not losses:
                continue
            differences = paired(out, preset, tokens, seeds, variant)
            text = word = ""
            if variant != "fp32" and differences:
                mean = statistics.mean(differences)
                error = (statistics.stdev(differences) / math.sqrt(len(differences))
                         if len(differences) > 1 else None)
                text = f"{mean:+.3f} % " + (f"± {error:.3f} %" if error is not None else "(one run)")
                word = verdict(variant, mean, error, control)
            lines.append(f"| {preset} | {tokens:.3g} | {variant} | {len(losses)} of {len(seeds)} | "
                         f"{statistics.mean(losses):.4f} | {text} | {word} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, help="folder with train.bin and val.bin")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="where the runs are kept")
    parser.add_argument("--farthing", type=pathlib.Path, default=ROOT / "build/release/farthing")
    parser.add_argument("--slice", type=float, default=1200, help="seconds of this call")
    parser.add_argument("--plan", choices=["tiny", "small"], help="one preset alone")
    parser.add_argument("--tokens", type=float, help="instead of the plan's")
    parser.add_argument("--seeds", type=int, nargs="+", help="instead of the plan's")
    parser.add_argument("--table", action="store_true", help="print the table and train nothing")
    args = parser.parse_args()
    plan = [(preset, args.tokens or tokens, tuple(args.seeds or seeds))
            for preset, tokens, seeds in PLAN if args.plan in (None, preset)]
    if not args.table:
        if args.data is None:
            parser.error("--data is needed to train")
        args.out.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + args.slice
        # Seed by seed, so that a partial table already compares all precisions.
        work = [(preset, tokens, seed, variant) for preset, tokens, seeds in plan
                for seed in seeds for variant in VARIANTS]
        for preset, tokens, seed, variant in work:
            run = folder(args.out, preset, tokens, seed, variant)
            left = end - time.monotonic()
            if final_loss(run) is None and (left <= 1 or not train(args, run, preset, tokens, seed,
                                                                  variant, left)):
                break
        (args.out / "table.md").write_text(table(args.out, plan) + "\n")
    print(table(args.out, plan))


if __name__ == "__main__":
    main()
