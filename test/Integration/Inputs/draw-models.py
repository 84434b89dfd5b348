#!/usr/bin/python3
"""Draws random configurations: draw-models.py SEED COUNT prints lines for
random-models.py, so that more than the committed ones can be tried."""

import random
import sys


def draw_shape(choice):
    kv_heads = choice([1, 1, 2, 3])
    heads = kv_heads * choice([n for n in (1, 2, 3, 6) if n * kv_heads <= 6])
    dim = choice([16, 24, 36, 40, 50, 64, 72, 96])
    ffn = choice([dim + 8, 2 * dim, 3 * dim - 3, 61])
    head_dim = choice([8, 10, 12, 16, 20, 24, 32, 40, 64])
    return f"--dim {dim} --ffn {ffn} --heads {heads} --kv-heads {kv_heads} --head-dim {head_dim}"


def draw_routing(choice, layers, context):
    routed = choice(["odd", "odd", "even", "all", "none", "list"])
    if routed == "list" or layers == 1 and routed == "odd":
        routed = ",".join(map(str, sorted({choice(range(layers)) for _ in range(2)})))
    capacity = choice(["0.03", "0.125", "0.3", "0.5", "0.77", "1.0", "1", "5", str(context // 2)])
    flags = f"--routed {routed} --capacity {capacity} --gate {choice(['raw', 'sigmoid', 'tanh', 'none'])}"
    if choice([True, False]):
        return flags + f" --predictor {choice([1, 5, 16, 33])}"
    return flags + f" --predictor 0 --decode {choice(['router', 'router', 'always'])}"


def draw_model(choice):
    layers = choice([1, 2, 3, 4, 5])
    context = choice([16, 33, 64, 100])
    flags = [draw_shape(choice), draw_routing(choice, layers, context)]
    flags.append(f"--layers {layers} --vocab {choice([97, 131, 257, 300])} --context {context}")
    flags.append(choice(["--tied", "--untied"]) + choice(["", " --attention-bias"]))
    flags.append(f"--dtype {choice(['F32', 'F32', 'BF16', 'F16'])} --shards {choice([1, 1, 2])}")
    lengths = sorted({1, choice(range(2, context)), context})
    return f"{' '.join(flags)} | {' '.join(map(str, lengths))}"


def main():
    seed, count = map(int, sys.argv[1:])
    choice = random.Random(seed).choice
    for _ in range(count):
        print("MODEL:", draw_model(choice))


if __name__ == "__main__":
    main()
