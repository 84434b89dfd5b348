#!/usr/bin/python3
"""Sequences that are routed as one: each as its own prompt decided, beside others that decided otherwise, in a second
prompt as in the first, and until its session is reset.

    check-sequence.py DIRECTORY LIBRARY
"""

import ctypes
import sys

import numpy as np

from batch_check import Sessions
from logits_check import MARGIN, TOLERANCE, check_error
from model import Model, forward

LENGTH, PROMPT, SECOND = 14, 5, 4


class Text:
    """Random tokens, what is expected of them, and in which layers they take part."""

    def __init__(self, directory, random):
        model = Model.load(directory)
        self.tokens = random.integers(0, model.vocab, LENGTH)
        self.expected = forward(model, self.tokens, "causal", PROMPT)
        self.decisions = tuple(routing.selected // LENGTH for routing in model.routings)
        self.margin = model.margin


def choose_texts(directory, count):
    """Texts that decide differently, and clearly."""
    random, texts = np.random.default_rng(5), {}
    for _ in range(200):
        text = Text(directory, random)
        if text.margin > MARGIN:
            texts.setdefault(text.decisions, text)
    if len(texts) < count:
        raise RuntimeError(f"only {len(texts)} different decisions")
    # First those that differ most: all layers, and none.
    return sorted(texts.values(), key=lambda text: -abs(sum(text.decisions) - len(text.decisions) / 2))[:count]


def prefill(sessions, index, text):
    """A prompt in two pieces, of which the first decides."""
    end = PROMPT + SECOND
    for begin, stop in ((0, PROMPT), (PROMPT, end)):
        logits = sessions.run("modrt_prefill", index, text.tokens[begin:stop], ctypes.c_int64(0))
        check_error(logits, text.expected[begin:stop], f"tokens {begin} to {stop} of session {index}")


def check_caches(sessions, index, text):
    """What is off keeps no keys."""
    sessions.library.modrt_lengths.restype = ctypes.POINTER(ctypes.c_int64)
    lengths = sessions.library.modrt_lengths(sessions[index])[: len(text.decisions)]
    if list(lengths) != [LENGTH * taken for taken in text.decisions]:
        raise RuntimeError(f"session {index}: {list(lengths)} keys, decisions {text.decisions}")


def run(sessions, texts):
    for index, text in enumerate(texts):
        prefill(sessions, index, text)
    for at in range(PROMPT + SECOND, LENGTH):
        rows = sessions.decode(range(len(texts)), [int(text.tokens[at]) for text in texts])
        for index, (row, text) in enumerate(zip(rows, texts)):
            check_error(row, text.expected[at], f"token {at} of session {index}", TOLERANCE)
    for index, text in enumerate(texts):
        check_caches(sessions, index, text)


def main():
    directory, library = sys.argv[1:]
    texts = choose_texts(directory, 3)
    sessions = Sessions(library, len(texts), texts[0].expected.shape[1])
    run(sessions, texts)
    for index in range(len(texts)):
        sessions.library.modrt_session_reset(sessions[index])
    run(sessions, texts[1:] + texts[:1])
    print("decisions:", *(text.decisions for text in texts))


if __name__ == "__main__":
    main()
