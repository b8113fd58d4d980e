#!/usr/bin/env python3
"""compare_gemm.py - farthing's matrix products and oneDNN's, in alternating rounds.

    python3 -m venv VENV && VENV/bin/pip install onednn-devel-cpu-gomp
    python3 bench/peers/compare_gemm.py --onednn VENV [--precision fp32 bf16] [--rounds 3]

The shapes are those of `farthing bench gemm`.  oneDNN gets its weights in its own layout beforehand,
as farthing's are packed beforehand; grouped products run one after another.  Printed: median FLOP/s
of the rounds' medians, the share of the FP32 peak that farthing measured, and the ratio.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent
SECONDS = 0.35  # of one product in one round, as `farthing bench gemm`


class OneDnn:
    def __init__(self, prefix, threads, folder):
        program = pathlib.Path(folder) / "gemm_onednn"
        subprocess.run(["g++", "-O2", "-std=c++17", str(FOLDER / "gemm_onednn.cpp"), "-o", str(program),
                        f"-I{prefix}/include", f"-L{prefix}/lib", "-ldnnl",
                        f"-Wl,-rpath,{prefix}/lib"], check=True)
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OMP_PROC_BIND": "false"}
        self.process = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment)
        text = (prefix / "include/oneapi/dnnl/dnnl_version.h").read_text()
        numbers = re.findall(r"#define DNNL_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", text)
        self.version = ".".join(numbers)

    def flops(self, row):
        transpose_a = row["name"].endswith("weight")
        transpose_b = row["name"] not in ("cube", "linear backward, input") and not transpose_a
        self.process.stdin.write(f"{row['format']} {row['problems']} {row['m']} {row['n']} {row['k']} "
                                 f"{transpose_a:d} {transpose_b:d} {row['packed']:d} {SECONDS}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline().split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--farthing", default="build/release/farthing")
    parser.add_argument("--onednn", type=pathlib.Path, required=True, help="prefix of include/ and lib/")
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    ours, theirs, about = {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        onednn = OneDnn(options.onednn, options.threads, folder)
        for _ in range(options.rounds):
            for precision in options.precision:
                bench = json.loads(subprocess.run(
                    [options.farthing, "bench", "gemm", "--json", "--precision", precision,
                     "--threads", str(options.threads)], capture_output=True, text=True, check=True).stdout)
                for row in bench["rows"]:
                    key = row["name"], row["format"]
                    about[key] = row, max(bench["fp32_peak_flops"], about.get(key, (0, 0))[1])
                    ours.setdefault(key, []).append(row["flops_per_second"])
                    theirs.setdefault(key, []).append(onednn.flops(row))
    version = subprocess.run([options.farthing, "--version"], capture_output=True, text=True)
    print(f"{version.stdout.strip()} {bench['isa']}, oneDNN {onednn.version}, {options.threads} threads, "
          f"{options.rounds} rounds; GFLOP/s (of the FP32 peak)")
    print(f"{'product':28s} {'format':6s} {'farthing':>16s} {'oneDNN':>16s} {'ratio':>6s}")
    for key, (row, peak) in about.items():
        mine, other = statistics.median(ours[key]), statistics.median(theirs[key])
        print(f"{key[0]:28s} {key[1]:6s} {mine / 1e9:8.1f} ({mine / peak:4.0%}) "
              f"{other / 1e9:8.1f} ({other / peak:4.0%}) {mine / other:6.2f}")


if __name__ == "__main__":
    main()
