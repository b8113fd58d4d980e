#!/usr/bin/env python3
"""compare_step.py - farthing's training step and PyTorch's, alternating on one machine.

    python3 bench/peers/compare_step.py small --farthing build/release/farthing [--rounds 3]

First finds PyTorch's best: eager and compiled, each with its best micro-batch (and bf16 autocast,
with --bf16).  Then runs `farthing bench step PRESET --set model.num_nextn_predict_layers=0 --json`
and that PyTorch step in turns, and prints medians, spread and their ratio, with versions.
Needs a Python with torch for both; run it on a quiet machine.
"""
import argparse
import json
import pathlib
import platform
import statistics
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent


def run_json(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    text = done.stdout
    return json.loads(text[text.index("{"):])


def torch_command(options, mode, precision, micro_batch, steps):
    return [sys.executable, str(FOLDER / "train_step_torch.py"), options.preset, "--mode", mode,
            "--precision", precision, "--micro-batch", str(micro_batch), "--steps", str(steps),
            *(word for text in options.set for word in ("--set", text))]


def farthing_command(options):
    return [options.farthing, "bench", "step", options.preset, "--json", "--steps",
            str(options.steps), "--set", "model.num_nextn_predict_layers=0",
            *(word for text in options.set for word in ("--set", "model." + text))]


def best_of_torch(options):
    variants = [(mode, precision) for precision in (["fp32", "bf16"] if options.bf16 else ["fp32"])
                for mode in (["eager"] if options.no_compile else ["eager", "compile"])]
    best = None
    for mode, precision in variants:
        try:
            result = run_json(torch_command(options, mode, precision, options.micro_batch, 1))
        except SystemExit as failure:  # torch.compile may lack a compiler
            print(f"PyTorch {mode} {precision}: does not run: {str(failure)[-200:]}")
            continue
        fastest = 4096 / min(result["tried_seconds"].values())
        print(f"PyTorch {mode} {precision}: {fastest:.0f} tokens/s, micro-batch {result['micro_batch']}")
        if best is None or fastest > best[0]:
            best = (fastest, mode, precision, result["micro_batch"], result["torch"])
    return best


def described(name, rates):
    median = statistics.median(rates)
    print(f"{name:28s} {median:8.0f} tokens/s   from {min(rates):.0f} to {max(rates):.0f}")
    return median


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("preset", nargs="?", default="small")
    parser.add_argument("--farthing", default="build/release/farthing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--micro-batch", type=int, default=0, help="PyTorch's; 0: the best")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="a field of [model], for both")
    parser.add_argument("--bf16", action="store_true", help="let PyTorch try bf16 autocast as well")
    parser.add_argument("--no-compile", action="store_true")
    options = parser.parse_args()
    _, mode, precision, micro_batch, version = best_of_torch(options)
    ours, theirs = [], []
    for _ in range(options.rounds):
        own = run_json(farthing_command(options))
        ours.append(own["tokens_per_second"])
        peer = run_json(torch_command(options, mode, precision, micro_batch, options.steps))
        theirs.append(peer["tokens_per_second"])
    print(f"\n{options.preset}, 4096 tokens a step, no MTP, {own['threads']} and {peer['threads']} threads,"
          f" {platform.processor() or platform.machine()}")
    our_median = described(f"farthing {own['precision']} {own['isa']}", ours)
    their_median = described(f"PyTorch {version} {mode} {precision}", theirs)
    print(f"{'ratio':28s} {our_median / their_median:8.2f}")


if __name__ == "__main__":
    main()
