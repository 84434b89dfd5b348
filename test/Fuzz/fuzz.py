#!/usr/bin/python3
"""Runs the fuzz targets of a build, each for its share of the time.

Inputs begin with those of the tests. What crashes is kept in the folder, and
named; the exit code is 1 then.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGETS = ["dialect", "config", "safetensors", "tokenizer", "text"]
# Inputs that are slower or larger than this are mishaps too.
FLAGS = ["-timeout=20", "-rss_limit_mb=4096", "-max_len=65536", "-print_final_stats=0", "-verbosity=0"]


SIZES = "--layers 2 --dim 8 --heads 2 --ffn 12 --vocab 20 --context 16"
# Flags of make.py for models that differ in their tensors, which configurations
# and checkpoints vary.
MODELS = [
    "",
    "--predictor 0 --routing argmax --router-bias --gate none --forced-tokens 2 --eligible 3,9",
    "--predictor 0 --ranges 0-1 --selected g*B --gate sigmoid --skipped x+adapter --adapter 3 --decode always",
    "--family mistral --routed none --sliding-window 5 --rope-scaling {\"type\":\"yarn\",\"factor\":2.0}",
    "--family mixtral --experts 2 --moe {\"noop_experts\":1,\"capacity\":0.5}",
    "--family qwen2 --routed none --sliding-window 5 --rope-scaling {\"type\":\"linear\",\"factor\":2.0}",
    "--family qwen3 --routed all --capacity 0.5,3",
    "--family gemma --routed none --tied",
]
# The same for configurations that the first of them could have.
CONFIGURATIONS = [
    "--routing token_choice --threshold 0.4 --comparison >= --skipped g*x",
    "--routing stochastic --rounding ceil --routing-seed 3 --decode router",
    "--routing threshold --router-input norm(x) --scope attention",
    "--scope mlp --ties none --gate softmax",
    "--selected x+attn+g*mlp --gate tanh --gate-scale 0.5 --gate-bias 1",
    "--gate softmax_topk --ties all --rounding nearest",
]


def make_model(directory, flags):
    """A small random model."""
    make = ROOT / "examples/random-model/make.py"
    subprocess.run([sys.executable, make, directory, *SIZES.split(), *flags.split()], check=True, stdout=subprocess.DEVNULL)


def write_model_seeds(work):
    """The models, and what their files are; a byte in front chooses the model of the other file."""
    for number, flags in enumerate(MODELS):
        model = work / "models" / str(number)
        make_model(model, flags)
        for target, file in ("config", "config.json"), ("safetensors", "model.safetensors"):
            (work / "seeds" / target / str(number)).write_bytes(bytes([number]) + (model / file).read_bytes())
    for number, flags in enumerate(CONFIGURATIONS):
        make_model(work / "other", flags)
        text = (work / "other/config.json").read_bytes()
        (work / "seeds/config" / f"other-{number}").write_bytes(b"\0" + text)


def write_seeds(work):
    """A folder of inputs for each target."""
    for name in TARGETS:
        (work / "seeds" / name).mkdir(parents=True, exist_ok=True)
    sources = [*(ROOT / "test").glob("*/*.mlir"), *(ROOT / "examples").glob("*/*.mlir")]
    for number, path in enumerate(sources):
        for part, text in enumerate(path.read_text().split("// -----")):
            (work / "seeds/dialect" / f"{number}-{part}").write_text(text)
    write_model_seeds(work)
    (work / "tokenizers").mkdir(exist_ok=True)
    records = json.loads((ROOT / "test/Integration/Inputs/tokenizers.json").read_text())
    for number, record in enumerate(records):
        text = json.dumps(record["tokenizer"])
        (work / "tokenizers" / f"{number}.json").write_text(text)
        (work / "seeds/tokenizer" / str(number)).write_text(text)
        (work / "seeds/text" / str(number)).write_bytes(bytes([number]) + " The fox's 12\xe9\n".encode())


def fuzz(name, build, work, seconds):
    """Whether no input crashed the target."""
    corpus, crashes = work / "corpus" / name, work / "crashes" / name
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "MODELS": str(work / "models"),
        "TOKENIZERS": str(work / "tokenizers"),
        "ASAN_OPTIONS": "detect_leaks=0:allow_user_poisoning=0",
    }
    command = [build / "bin" / f"fuzz-{name}", corpus, work / "seeds" / name, *FLAGS,
               f"-max_total_time={seconds}", f"-artifact_prefix={crashes}/"]
    with open(work / f"{name}.log", "wb") as log:
        code = subprocess.run(command, env=environment, stdout=log, stderr=log).returncode
    found = [path for path in crashes.iterdir() if path.is_file()]
    print(f"{name}: {seconds} s, {len(list(corpus.iterdir()))} inputs kept, exit code {code}", flush=True)
    for path in found:
        print(f"  crash: {path}", flush=True)
    return code == 0 and not found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, default=600, help="in all (default: 600)")
    parser.add_argument("--only", default=",".join(TARGETS), help="of these, with commas between")
    options = parser.parse_args()
    work = options.build.resolve() / "fuzz"
    write_seeds(work)
    names = options.only.split(",")
    share = max(1, options.seconds // len(names))
    return 0 if all([fuzz(name, options.build.resolve(), work, share) for name in names]) else 1


if __name__ == "__main__":
    sys.exit(main())
