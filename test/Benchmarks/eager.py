#!/usr/bin/python3
"""m110 in eager PyTorch, dense and with Mixture-of-Depths, as a careful user would write it: prefill, f32.

    eager.py THREADS TOKENS

For each line `dense` or `mod` on stdin, runs a prompt once and prints the seconds that it took. Attention goes by blocks of
queries against the keys that they may see, so that little of the masked half is computed; routed blocks gather the
tokens of the top k, compute them alone, and add the gated update in place.
"""
import os
import sys
import time

threads, tokens = map(int, sys.argv[1:])
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(threads)

import torch  # noqa: E402
from torch.nn import functional  # noqa: E402

DIM, LAYERS, HEADS, FFN, VOCAB, CAPACITY, QUERIES = 768, 12, 12, 2048, 32000, 0.125, 256
HEAD = DIM // HEADS


def norm(x, scale):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * scale


class Layer:
    def __init__(self):
        def weight(outputs, inputs):
            return torch.randn(outputs, inputs) * inputs ** -0.5
        self.qkv, self.out = weight(3 * DIM, DIM), weight(DIM, DIM)
        self.gate_up, self.down = weight(2 * FFN, DIM), weight(DIM, FFN)
        self.norms = torch.ones(2, DIM)
        self.router = weight(1, DIM)[0]

    def update(self, x, cosine, sine):
        """What the layer adds to the tokens x."""
        count = len(x)
        q, k, v = functional.linear(norm(x, self.norms[0]), self.qkv).view(count, 3, HEADS, HEAD).permute(1, 2, 0, 3)
        q, k = rotate(q, cosine, sine) * HEAD ** -0.5, rotate(k, cosine, sine)
        mixed = torch.cat([attend(q[:, i:i + QUERIES], k[:, :i + QUERIES], v[:, :i + QUERIES])
                           for i in range(0, count, QUERIES)], 1)
        attention = functional.linear(mixed.transpose(0, 1).reshape(count, DIM), self.out)
        gate, up = functional.linear(norm(x + attention, self.norms[1]), self.gate_up).split(FFN, -1)
        return attention + functional.linear(functional.silu(gate) * up, self.down)


def rotate(x, cosine, sine):
    low, high = x.chunk(2, -1)
    return torch.cat([low * cosine - high * sine, high * cosine + low * sine], -1)


def attend(q, k, v):
    """The last queries are those of the last keys."""
    scores, queries = q @ k.transpose(1, 2), q.shape[1]
    scores[:, :, -queries:].masked_fill_(FUTURE[:queries, :queries], float("-inf"))
    return torch.softmax(scores, -1) @ v


def prefill(layers, ids, routed):
    x = EMBEDDING[ids]
    for index, layer in enumerate(layers):
        if routed and index % 2:
            scores = x @ layer.router
            chosen = torch.topk(scores, int(CAPACITY * len(ids)), sorted=False).indices.sort().values
            update = layer.update(x[chosen], COSINE[chosen], SINE[chosen])
            x.index_add_(0, chosen, update * scores[chosen, None])
        else:
            x += layer.update(x, COSINE[:len(x)], SINE[:len(x)])
    return functional.linear(norm(x[-1:], torch.ones(DIM)), EMBEDDING)


torch.set_num_threads(threads)
torch.set_grad_enabled(False)
torch.manual_seed(0)
ANGLES = torch.outer(torch.arange(tokens), 10000 ** (-torch.arange(0, HEAD, 2) / HEAD))
COSINE, SINE = ANGLES.cos(), ANGLES.sin()
FUTURE = torch.ones(QUERIES, QUERIES, dtype=torch.bool).triu(1)
EMBEDDING = torch.randn(VOCAB, DIM) * DIM ** -0.5
MODEL = [Layer() for _ in range(LAYERS)]
IDS = torch.randint(0, VOCAB, (tokens,))
prefill(MODEL, IDS[:64], True)
print("ready", flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    prefill(MODEL, IDS, line.strip() == "mod")
    print(time.perf_counter() - start, flush=True)
