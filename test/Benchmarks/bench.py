#!/usr/bin/python3
"""Measures the compiler against the machine and against others: the work of `make bench`.

    bench.py --build BUILD [--only kernels,models,batch,cost,memory] [--out FOLDER]

Prints a table for each part and writes FOLDER/bench.json and FOLDER/bench.svg. Whatever is compared takes turns in the same run;
values are medians of rounds, `+-` is half the distance of their quartiles.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

from plot import write_plot

HERE = pathlib.Path(__file__).resolve().parent
MAKE_MODEL = HERE.parent.parent / "examples/random-model/make.py"
MODELS = {"MoD": ["--preset", "m110"], "dense": ["--preset", "m110-dense"]}
DTYPES = ["f32", "bf16", "i8", "i4"]
CONTEXT, BEFORE, DECODED = 2048, 16, 64   # tokens of a prompt, before the decoded ones, and these
LENGTHS = [32, 64, 128, 512, 2048]
SHARES = [0.5, 0.125, 0.03]
BATCHES = [1, 2, 4, 8]


class Rounds:
    """Values of one quantity, round by round."""

    def __init__(self, values):
        self.values = list(values)

    def median(self):
        return statistics.median(self.values)

    def spread(self):
        """Half the distance of the quartiles, as a share of the median."""
        if len(self.values) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return (high - low) / 2 / self.median()

    def over(self, other):
        return Rounds(a / b for a, b in zip(self.values, other.values))

    def text(self, digits=2, percent=False):
        scale, unit = (100, " %") if percent else (1, "")
        text = f"{scale * self.median():.{digits}f}{unit}"
        return text + f" +-{100 * self.spread():.0f}%" if len(self.values) > 1 else text


def log(text):
    print(text, file=sys.stderr, flush=True)


def run_json(*command):
    return json.loads(subprocess.check_output(list(map(str, command))))


def print_table(title, header, rows):
    cells = [list(header)] + [list(map(str, row)) for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    print(f"\n## {title}\n")
    for index, row in enumerate(cells):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
        if index == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    sys.stdout.flush()


class Bench:
    """What was asked for, and what came out."""

    def __init__(self, options):
        self.bin, self.kernels = options.build / "bin", options.build / "test/Benchmarks" / options.kernels
        self.work, self.results = options.out, {}
        self.threads = list(dict.fromkeys([1, len(os.sched_getaffinity(0))]))
        self.work.mkdir(parents=True, exist_ok=True)
        self.compiled, self.rounds = {}, options.rounds

    # Kernels

    def measure_kernels(self):
        if not self.kernels.exists():
            log("kernels: not built; they need libbenchmark-dev, libdnnl-dev and libopenblas-openmp-dev")
            return
        log("kernels ...")
        out = self.work / "kernels.json"
        subprocess.run([self.kernels, f"--benchmark_out={out}", "--benchmark_out_format=json"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rows = json.loads(out.read_text())["benchmarks"]
        wrong = [row["name"] for row in rows if row.get("error_occurred")]
        if wrong:
            sys.exit(f"bench.py: wrong results of {', '.join(wrong)}")
        self.results["kernels"] = [self.kernel_row(row) for row in rows]
        self.results["ceilings"] = {
            threads: {peak: max(row[peak] for row in self.results["kernels"] if row["threads"] == threads and row["cold"])
                      for peak in ("peak_gflops", "peak_gb_per_s")} for threads in self.threads}
        print_table("Ceilings of this machine", ["threads", "f32 FMA", "DRAM read"],
                    [[threads, f"{peak['peak_gflops']:.0f} GFLOP/s", f"{peak['peak_gb_per_s']:.1f} GB/s"]
                     for threads, peak in self.results["ceilings"].items()])
        for threads in self.threads:
            self.print_kernels(threads)

    @staticmethod
    def kernel_row(row):
        kind, *shape, threads = row["name"].split("/iterations")[0].split("/")
        kept = {key: row[key] for key in ("gflops", "gb_per_s", "peak_gflops", "peak_gb_per_s", "share", "spread",
                                          "of_openblas", "of_onednn") if key in row}
        # One row, or one query, finds nothing in the caches.
        cold = re.split(r"\D", shape[0])[0] == "1"
        return {"kind": kind, "shape": " ".join(shape), "threads": int(threads.split(":")[1]), "cold": cold,
                "seconds": row["real_time"] * 1e-6, **kept}

    def print_kernels(self, threads):
        rows = [row for row in self.results["kernels"] if row["threads"] == threads]

        def speed(row):
            return f"{row['gb_per_s']:.1f} GB/s" if row["cold"] else f"{row['gflops']:.0f} GFLOP/s"
        print_table(f"Products MxKxN, f32, {threads} thread(s)",
                    ["MxKxN", "speed", "of the limit", "/ OpenBLAS", "/ oneDNN"],
                    [[row["shape"], speed(row), f"{100 * row['share']:.0f} % +-{50 * row['spread']:.0f}%",
                      f"{row['of_openblas']:.2f}", f"{row['of_onednn']:.2f}"] for row in rows if row["kind"] == "product"])
        print_table(f"Causal attention over 2048 keys, f32, {threads} thread(s)",
                    ["queries, heads x size", "speed", "of the limit"],
                    [[row["shape"], speed(row), f"{100 * row['share']:.0f} % +-{50 * row['spread']:.0f}%"]
                     for row in rows if row["kind"] == "attention"])

    # Models

    def compile(self, name, flags, dtype="f32", batch=1):
        """The executable and the seconds that compiling took; None where modc does not know the dtype."""
        key = name, dtype, batch
        if key in self.compiled:
            return self.compiled[key]
        directory, executable = self.work / name, self.work / f"{name}-{dtype}-{batch}.exe"
        if not (directory / "config.json").exists():
            subprocess.run([MAKE_MODEL, directory, *flags], check=True, stdout=subprocess.DEVNULL)
        command = [self.bin / "modc", directory, "-o", executable, f"--dtype={dtype}", f"--batch={batch}"]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode and dtype == "f32":
            sys.exit(f"bench.py: {done.stderr}")
        if done.returncode:
            log(f"{dtype} is skipped: {done.stderr.strip().splitlines()[-1]}")
        self.compiled[key] = None if done.returncode else (executable, time.perf_counter() - start)
        return self.compiled[key]

    @staticmethod
    def bench(executable, threads, prompt, decoded, runs=1, batch=1):
        return run_json(executable, "bench", "--json", "--prompt-tokens", prompt, "--gen-tokens", decoded, "--threads", threads,
                        "--runs", runs, "--batch", batch)

    def bench_both(self, executable, threads):
        """Prefill of a whole context; decode where the weights are nearly all that is read."""
        return {"prefill": self.bench(executable, threads, CONTEXT, 0)["prefill"],
                "decode": self.bench(executable, threads, BEFORE, DECODED)["decode"]}

    def measure_models(self):
        log("compiling m110 ...")
        runs = {}
        for dtype in DTYPES:
            for name, flags in MODELS.items():
                compiled = self.compile(name, flags, dtype)
                if not compiled:
                    break
                runs.update({(dtype, name, threads): (compiled, []) for threads in self.threads})
        eager = self.start_eager()
        for number in range(self.rounds):
            for (dtype, name, threads), ((executable, _), found) in runs.items():
                if number > 0 and threads < self.threads[-1]:
                    continue   # takes too long to be done often
                log(f"round {number + 1} of {self.rounds}: {dtype} {name}, {threads} thread(s)")
                found.append(self.bench_both(executable, threads))
            for name, values in eager.items():
                values.append(self.ask_eager(name))
        self.results["models"] = [self.model_row(key, *value) for key, value in runs.items()]
        self.results["eager"] = {name: [CONTEXT / seconds for seconds in values] for name, values in eager.items()}
        self.print_models(runs, eager)

    def start_eager(self):
        """PyTorch beside it, where it is installed."""
        if subprocess.run([sys.executable, "-c", "import torch"], capture_output=True).returncode:
            log("PyTorch is skipped: python3-torch is not installed")
            return {}
        self.eager = subprocess.Popen([sys.executable, HERE / "eager.py", str(self.threads[-1]), str(CONTEXT)], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.eager.stdout.readline()
        return {name: [] for name in MODELS}

    def ask_eager(self, name):
        log(f"PyTorch {name}")
        print({"MoD": "mod"}.get(name, name), file=self.eager.stdin, flush=True)
        return float(self.eager.stdout.readline())

    @staticmethod
    def model_row(key, compiled, found):
        dtype, name, threads = key
        return {"dtype": dtype, "model": name, "threads": threads, "compile_seconds": compiled[1], "rounds": found}

    def print_models(self, runs, eager):
        def rounds(key, part, field):
            return Rounds(run[part][field] for run in runs[key][1])

        def work(key, part):
            """FLOPs or bytes per token."""
            speed = {"prefill": "gflops", "decode": "gb_per_s"}[part]
            return rounds(key, part, speed).over(rounds(key, part, "tokens_per_s"))
        for part, share in (("prefill", "share_of_peak"), ("decode", "share_of_bandwidth")):
            rows = []
            for key in runs:
                dtype, name, threads = key
                speed, gain, beside = rounds(key, part, "tokens_per_s"), "", ""
                if name == "MoD" and (dtype, "dense", threads) in runs:
                    dense = dtype, "dense", threads
                    possible = work(dense, part).over(work(key, part)).median()
                    gain = f"{speed.over(rounds(dense, part, 'tokens_per_s')).text()} of {possible:.2f}"
                if part == "prefill" and eager and threads == self.threads[-1] and dtype == "f32":
                    beside = speed.over(Rounds(CONTEXT / seconds for seconds in eager[name])).text()
                routed = runs[key][1][0][part]["routed_share"]
                rows.append([f"{dtype} {name}", threads, speed.text(0), rounds(key, part, share).text(0, percent=True), gain,
                             "" if routed is None else f"{100 * routed:.1f} %"] + [beside] * (part == "prefill"))
            limit = "of f32 peak" if part == "prefill" else "of DRAM bandwidth"
            print_table(f"m110, {part}" + (f" of {CONTEXT} tokens" if part == "prefill" else f" of {DECODED} tokens"),
                        ["", "threads", "tokens/s", limit, "MoD / dense", "routed"] + ["/ PyTorch"] * (part == "prefill"), rows)
        print_table("Compile time of m110, weights included", ["", "seconds"],
                    [[f"{dtype} {name}", f"{compiled[1]:.1f}"] for (dtype, name, threads), (compiled, _) in runs.items()
                     if threads == self.threads[0]])

    # Batch

    def measure_batch(self):
        """Decoding of several sequences together, in one executable."""
        threads, rows = self.threads[-1], []
        executables = {name: self.compile(name, flags, batch=BATCHES[-1])[0] for name, flags in MODELS.items()}
        found = {(name, batch): [] for name in MODELS for batch in BATCHES}
        for number in range(self.rounds):
            log(f"batch, round {number + 1} of {self.rounds}")
            for (name, batch), values in found.items():
                values.append(self.bench(executables[name], threads, BEFORE, DECODED, batch=batch)["decode"])
        for (name, batch), values in found.items():
            speed = Rounds(run["tokens_per_s"] for run in values)
            alone = Rounds(run["tokens_per_s"] for run in found[name, 1])
            read = Rounds(run["bytes_per_token"] / 1e6 for run in values)
            rows.append([f"f32 {name}, {batch}", speed.text(0), speed.over(alone).text(), f"{read.median():.0f} MB"])
        self.results["batch"] = [{"model": name, "batch": batch, "rounds": values} for (name, batch), values in found.items()]
        print_table(f"Sequences decoded together, {threads} thread(s)", ["", "tokens/s", "/ one", "read per token"], rows)

    # Cost

    def measure_cost(self):
        """Speed in FLOPs by the length of the prompt and by the share of the tokens that is routed."""
        threads, rows = self.threads[-1], []
        cases = [(f"{100 * share:g} % routed, {length} tokens", share, length) for share in SHARES
                 for length in (LENGTHS if share == 0.125 else [CONTEXT])]
        found = {name: [] for name, _, _ in cases}
        executables = {share: self.compile(f"share-{share}", ["--preset", "m110", "--capacity", str(share)])[0]
                       for share in SHARES}
        for number in range(self.rounds):
            log(f"cost, round {number + 1} of {self.rounds}")
            for name, share, length in cases:
                runs = max(1, 256 // length)
                found[name].append(self.bench(executables[share], threads, length, 0, runs)["prefill"])
        whole = Rounds(run["share_of_peak"] for run in found[f"12.5 % routed, {CONTEXT} tokens"])
        for name, _, length in cases:
            share = Rounds(run["share_of_peak"] for run in found[name])
            milliseconds = Rounds(1000 * length / run["tokens_per_s"] for run in found[name])
            rows.append([name, milliseconds.text(1), share.text(0, percent=True), share.over(whole).text()])
        self.results["cost"] = found
        print_table(f"Cost of a prompt, f32 MoD, {threads} thread(s)",
                    ["", "ms", "of f32 peak", f"FLOP/s, of those at 12.5 %, {CONTEXT} tokens"], rows)

    # Memory

    def measure_memory(self):
        rows = []
        for name, flags in MODELS.items():
            executable, _ = self.compile(name, flags)
            found = run_json(sys.executable, HERE / "memory.py", executable, CONTEXT)
            self.results.setdefault("memory", {})[name] = found
            rows.append([f"f32 {name}", f"{found['used'] / 1e6:.1f} MB", f"{found['reported'] / 1e6:.1f} MB",
                         f"{found['used'] / found['reported']:.3f}"])
        print_table(f"Memory beside the weights after {CONTEXT} tokens", ["", "used", "as reported", "used / reported"], rows)

    def write(self):
        (self.work / "bench.json").write_text(json.dumps(self.results, indent=1) + "\n")
        write_plot(self.work / "bench.svg", self.results)
        log(f"\nwritten: {self.work}/bench.json, bench.svg")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, help="default: BUILD/bench")
    parser.add_argument("--kernels", default="kernel-benchmarks", help="program that measures kernels")
    parser.add_argument("--rounds", type=int, default=3, help="of models and prompts (default 3)")
    parser.add_argument("--only", default="kernels,models,batch,cost,memory")
    options = parser.parse_args()
    options.build, options.out = options.build.resolve(), (options.out or options.build / "bench").resolve()
    # OpenBLAS of Debian 12 takes its plainest kernels on CPUs that are newer than it.
    if re.search(r"\bavx512vl\b", pathlib.Path("/proc/cpuinfo").read_text()):
        os.environ.setdefault("OPENBLAS_CORETYPE", "SKYLAKEX")
    bench = Bench(options)
    for part in options.only.split(","):
        measure = getattr(bench, f"measure_{part}", None)
        if not measure:
            parser.error(f"no part is called '{part}'; there are kernels, models, batch, cost, memory")
        measure()
    bench.write()


if __name__ == "__main__":
    main()
