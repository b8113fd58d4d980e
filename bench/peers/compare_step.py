#!/usr/bin/env python3
"""compare_step.py - farthing's training step and PyTorch's best, in short alternating rounds.

    python3 bench/peers/compare_step.py small --budget 600 [--torch-python VENV/bin/python]

First times one step of every way to run it in PyTorch: eager and compiled, FP32 and bf16 autocast,
each with micro-batches of 1, 2, 4 and 8 sequences; what the budget does not reach is named as not
measured.  Then the fastest and `farthing bench step PRESET` without MTP take turns, --rounds times,
4096 tokens a step on both sides, and the medians, the spread, the ratio and the most memory that
either had resident are printed with versions.  --alone CMD is put before every measurement, for example one that waits until the machine
is quiet and holds others off; what compiles runs outside of it.  Whoever took more than a
tenth of the time of the --threads processors that a measurement needs disturbed it: it is repeated, at most --tries
times, and the least disturbed one counts; what remains disturbed is said.
"""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

FOLDER = pathlib.Path(__file__).resolve().parent
STEP_TOKENS = 4096
SHARE_FOR_CHOOSING = 0.7  # of the budget
LEAST_DISTURBANCE = 0.1  # share of its processors that others took


@contextlib.contextmanager
def alone(command):
    """Holds `command cat` for as long as a measurement takes: it has begun once cat answers."""
    if not command:
        yield
        return
    holder = subprocess.Popen([*command.split(), "cat"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    holder.stdin.write("go\n")
    holder.stdin.flush()
    holder.stdout.readline()
    try:
        yield
    finally:
        holder.stdin.close()
        holder.wait()


def busy_seconds():
    """Of all processors together since the machine began, idle and waiting left out."""
    fields = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:8]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def undisturbed(options, own_seconds, measure):
    """measure()'s answer and the share of its processors that others had meanwhile."""
    best = None
    for _ in range(options.tries):
        with alone(options.alone):
            clock, busy, own = time.monotonic(), busy_seconds(), own_seconds()
            answer = measure()
            others = (busy_seconds() - busy) - (own_seconds() - own)
            wall = time.monotonic() - clock
            spare = (os.cpu_count() - options.threads) * wall
            share = max(0.0, others - spare) / (options.threads * wall)
        if best is None or share < best[1]:
            best = answer, share
        if share <= LEAST_DISTURBANCE:
            break
    return best


def remark(share):
    return "" if share <= LEAST_DISTURBANCE else f", DISTURBED: others had {share:.0%} of its processors"


class Torch:
    """PyTorch in one mode and precision, kept running between measurements."""

    def __init__(self, options, mode, precision):
        self.name = f"{mode} {precision}"
        self.process = subprocess.Popen(
            [options.torch_python, str(FOLDER / "train_step_torch.py"), options.preset, "--serve",
             "--mode", mode, "--precision", precision, "--threads", str(options.threads),
             *(word for text in options.set for word in ("--set", text))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.about = self.answer()
        self.peak_bytes = 0

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.stderr.read()[-300:].strip())
        return json.loads(line)

    def ask(self, micro_batch, steps):
        self.process.stdin.write(json.dumps({"micro_batch": micro_batch, "steps": steps}) + "\n")
        self.process.stdin.flush()
        answer = self.answer()
        self.peak_bytes = answer["peak_bytes"]
        return answer["seconds"]

    def own_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def try_variant(options, mode, precision, tried, deadline):
    peer = Torch(options, mode, precision)
    try:
        for micro_batch in options.micro_batches:
            if time.monotonic() > deadline:
                print(f"PyTorch {peer.name}, micro-batch {micro_batch}: not measured, out of budget")
                continue
            began = time.monotonic()
            with alone("" if mode == "compile" else options.alone):
                peer.ask(micro_batch, 0)
            warm = time.monotonic() - began
            seconds, share = undisturbed(options, peer.own_seconds,
                                         lambda: peer.ask(micro_batch, 1)[0])
            tried[mode, precision, micro_batch] = seconds
            print(f"PyTorch {peer.name}, micro-batch {micro_batch}: {STEP_TOKENS / seconds:.0f} "
                  f"tokens/s (first micro-batch {warm:.0f} s){remark(share)}", flush=True)
    finally:
        peer.close()


def best_of_torch(options, deadline):
    tried = {}
    for mode in options.modes:
        for precision in options.precisions:
            try:
                try_variant(options, mode, precision, tried, deadline)
            except RuntimeError as failure:  # torch.compile may lack a compiler
                print(f"PyTorch {mode} {precision}: does not run: {failure}")
    if not tried:
        sys.exit("PyTorch did not run in any way")
    return min(tried, key=tried.get)


def farthing_round(options):
    command = [options.farthing, "bench", "step", options.preset, "--json", "--steps",
               str(options.steps), "--threads", str(options.threads),
               "--precision", options.own_precision, "--set",
               "model.num_nextn_predict_layers=0",
               *(word for text in options.set for word in ("--set", "model." + text)),
               *(word for text in options.own_set for word in ("--set", text))]
    def own_seconds():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    done, share = undisturbed(options, own_seconds,
                              lambda: subprocess.run(command, capture_output=True, text=True))
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout[done.stdout.index("{"):]), share


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def described(name, rates):
    median = statistics.median(rates)
    print(f"{name:48s} {median:8.0f} tokens/s   from {min(rates):.0f} to {max(rates):.0f}")
    return median


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("preset", nargs="?", default="small")
    parser.add_argument("--farthing", default="build/release/farthing")
    parser.add_argument("--torch-python", default=sys.executable, help="a Python that has torch")
    parser.add_argument("--budget", type=float, default=900, help="seconds for everything")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of both")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2, help="of each round")
    parser.add_argument("--modes", nargs="+", default=["eager", "compile"])
    parser.add_argument("--own-precision", default="auto", help="farthing's; auto: the fastest")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--micro-batches", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--tries", type=int, default=3, help="of one measurement, if disturbed")
    parser.add_argument("--alone", default="", metavar="CMD", help="put before every measurement")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="a field of [model], for both")
    parser.add_argument("--own-set", action="append", default=[], metavar="FIELD=VALUE",
                        help="a field of the recipe, for farthing alone")
    options = parser.parse_args()
    began = time.monotonic()
    mode, precision, micro_batch = best_of_torch(options,
                                                 began + SHARE_FOR_CHOOSING * options.budget)
    peer = Torch(options, mode, precision)
    peer.ask(micro_batch, 0)
    ours, theirs = [], []
    for turn in range(options.rounds):
        if turn > 0 and time.monotonic() - began > options.budget:
            print(f"out of budget after {turn} rounds")
            break
        own, our_share = farthing_round(options)
        ours.append(own["tokens_per_second"])
        seconds, their_share = undisturbed(options, peer.own_seconds,
                                           lambda: peer.ask(micro_batch, options.steps))
        theirs.append(STEP_TOKENS / statistics.median(seconds))
        print(f"round {turn + 1}: {ours[-1]:.0f}{remark(our_share)}; "
              f"{theirs[-1]:.0f}{remark(their_share)}", flush=True)
    peer.close()
    version = subprocess.run([options.farthing, "--version"], capture_output=True, text=True)
    print(f"\n{options.preset}, 4096 tokens a step, no MTP, {own['threads']} and "
          f"{peer.about['threads']} threads, {processor()}")
    our_median = described(f"{version.stdout.strip()} {own['precision']} {own['isa']}, "
                           f"micro-batch {own['micro_batch']}", ours)
    their_median = described(f"PyTorch {peer.about['torch']} {mode} {precision}, "
                             f"micro-batch {micro_batch}", theirs)
    print(f"{'ratio':48s} {our_median / their_median:8.2f}")
    our_peak = own["peak_resident_bytes"]
    print(f"{'most memory resident':48s} {our_peak / 1e9:8.2f} GB, PyTorch's {peer.peak_bytes / 1e9:.2f} GB: "
          f"{our_peak / peer.peak_bytes:.2f}")


if __name__ == "__main__":
    main()
