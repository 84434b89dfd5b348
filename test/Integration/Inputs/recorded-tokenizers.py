#!/usr/bin/python3
"""Compares compiled tokenizers with what Hugging Face's library said of them.

tokenizers.json was written by train-tokenizers.py --record.
"""

import argparse
import json
import pathlib
import subprocess
import sys

from model_text import ModelText, write_model


def count_tokens(tokenizer):
    added = [token["id"] for token in tokenizer["added_tokens"]]
    return max(len(tokenizer["model"]["vocab"]) - 1, *added) + 1


def compile_text(record, work):
    directory = work / record["name"]
    tokenizer = record["tokenizer"]
    write_model(directory, json.dumps(tokenizer), count_tokens(tokenizer))
    subprocess.run(["modc", directory, "--emit=lib", "-o", directory / "model.so"], check=True)
    return ModelText(directory / "model.so")


def check(record, work):
    """Prints what differs; whether nothing does."""
    model, fine = compile_text(record, work), True
    for case in record["cases"]:
        text, tokens = bytes.fromhex(case["text"]), case["tokens"]
        got = model.encode(text), model.decode(tokens)
        if got != (tokens, case["decoded"]):
            fine = False
            print(f"{record['name']}: {text!r}: {got}, expected {tokens}, {case['decoded']!r}")
    print(f"{record['name']}: {len(record['cases'])} texts")
    return fine


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for models")
    options = parser.parse_args()
    records = json.loads((pathlib.Path(__file__).parent / "tokenizers.json").read_text())
    return 0 if all([check(record, options.work) for record in records]) else 1


if __name__ == "__main__":
    sys.exit(main())
