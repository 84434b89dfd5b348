#!/usr/bin/python3
"""Compares a compiled byte-level model with the reference on a text.

    check-text.py MODEL_DIRECTORY EXECUTABLE TEXT LENGTH

The prompt is LENGTH bytes of the text, from the first place where routing is
beyond doubt.
"""

import pathlib
import sys
import tempfile

from logits_check import check_logits, choose_prompt


def main():
    directory, executable, text, length = sys.argv[1:]
    data, length = pathlib.Path(text).read_bytes(), int(length)
    prompts = (list(data[i : i + length]) for i in range(0, len(data) - length, 20))
    tokens, expected = choose_prompt(directory, prompts)
    with tempfile.TemporaryDirectory() as work:
        worst = check_logits(executable, tokens, expected, pathlib.Path(work))
    print(f"{length} bytes: relative error {worst:.1e}")


if __name__ == "__main__":
    main()
