"""Runs the programs of a model that was compiled for batches, as NumPy each
sequence alone."""

import ctypes

import numpy as np

from logits_check import TOLERANCE, check_error
from model_text import Library


class Sessions(Library):
    """Sessions of a library that modc made, opened together."""

    def __init__(self, path, number, vocab):
        super().__init__(path)
        self.vocab = vocab
        self.sessions = (ctypes.c_void_p * number)()
        self.call("modrt_batch_open", self.instance, None, ctypes.c_int64(number), self.sessions)
        self.library.modrt_logits.restype = ctypes.POINTER(ctypes.c_float)
        for name in ("modrt_session_reset", "modrt_session_close"):
            getattr(self.library, name).restype = None

    def __getitem__(self, index):
        return ctypes.c_void_p(self.sessions[index])

    def run(self, name, index, tokens, *arguments):
        """Logits of all tokens of a prompt by `modrt_forward` or `modrt_prefill`."""
        logits = np.empty((len(tokens), self.vocab), np.float32)
        self.call(name, self[index], (ctypes.c_int32 * len(tokens))(*tokens), ctypes.c_int64(len(tokens)),
                  *arguments, logits.ctypes.data_as(ctypes.POINTER(ctypes.c_float)))
        return logits

    def decode_alone(self, index, tokens):
        """Logits of all tokens of a new sequence, one by one."""
        self.library.modrt_session_reset(self[index])
        rows = []
        for token in tokens:
            self.call("modrt_decode", self[index], ctypes.c_int32(int(token)))
            rows.append(self.get_logits(index))
        self.library.modrt_session_reset(self[index])
        return np.stack(rows)

    def get_logits(self, index):
        row = self.library.modrt_logits(self[index])
        return np.ctypeslib.as_array(row, (self.vocab,)).copy()

    def decode(self, indices, tokens):
        """The logits of one more token of some of the sessions."""
        chosen = (ctypes.c_void_p * len(indices))(*(self.sessions[index] for index in indices))
        self.call("modrt_decode_batch", chosen, (ctypes.c_int32 * len(tokens))(*tokens),
                  ctypes.c_int64(len(tokens)))
        return [self.get_logits(index) for index in indices]


class Checker:
    """Runs sequences, each with the logits that are expected of it."""

    def __init__(self, sessions, texts, random, tolerance):
        self.sessions, self.texts, self.random = sessions, list(texts), random
        self.tolerance, self.worst = tolerance, 0.0
        self.running = {}  # session -> tokens, expected, position

    def check(self, actual, expected, what):
        self.worst = max(self.worst, check_error(actual, expected, what, self.tolerance))

    def start(self, index):
        """Gives a session the next text, whose prompt may be all of it."""
        tokens, expected = self.texts.pop(0)
        top_k = self.sessions.run("modrt_forward", index, tokens)
        self.check(top_k, expected["top_k"], f"top_k of {len(tokens)} tokens")
        self.sessions.library.modrt_session_reset(self.sessions[index])
        prompt = expected.prompt or int(self.random.integers(1, len(tokens) + 1))
        logits = self.sessions.run("modrt_prefill", index, tokens[:prompt], ctypes.c_int64(0))
        rows = expected.after(prompt)
        self.check(logits, rows[:prompt], f"prompt of {prompt} tokens")
        self.running[index] = [tokens, rows, prompt]

    def step(self):
        """One token more of each session that has one left."""
        active = [i for i, (tokens, _, position) in self.running.items() if position < len(tokens)]
        self.random.shuffle(active)
        if not active:
            return
        rows = self.sessions.decode(active, [int(self.running[i][0][self.running[i][2]]) for i in active])
        for i, row in zip(active, rows):
            _, expected, position = self.running[i]
            self.check(row, expected[position], f"token {position} of session {i}, beside {len(active) - 1}")
            self.running[i][2] += 1

    def run(self):
        tokens, expected = self.texts[0]
        alone = self.sessions.decode_alone(0, tokens)
        self.check(alone, expected["stepwise"], f"{len(tokens)} tokens one by one")
        for index in range(len(self.sessions.sessions)):
            self.start(index)
        while self.running:
            self.step()
            for index, (tokens, _, position) in list(self.running.items()):
                if position == len(tokens):
                    del self.running[index]
                    if self.texts:
                        self.start(index)
        return self.worst


def check_sequences(library, texts, batch, seed, tolerance=TOLERANCE):
    """The largest error of a library whose B sessions are given the texts in turn."""
    sessions = Sessions(library, batch, texts[0][1]["causal"].shape[1])
    return Checker(sessions, texts, np.random.default_rng(seed), tolerance).run()
