"""The plan of a decode step on GPUs, of models that need no weights for it: the files of weights are holes.

A dense layer has at most 8 kernels and a routed one 10; each weight and each cache crosses the bus once, and little else
does. The times on chips are what the bytes take.

RUN: %python %s %t
"""
import json
import pathlib
import shutil
import struct
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "examples/random-model"))
import make  # noqa: E402

BILLION = ["--vocab", "32000", "--dim", "2048", "--layers", "22", "--heads", "32", "--kv-heads", "4", "--ffn", "5632",
           "--context", "2048", "--untied"]
# As Qwen3-0.6B, whose heads have norms, with every other layer routed.
QWEN3 = ["--family", "qwen3", "--vocab", "151936", "--dim", "1024", "--layers", "28", "--heads", "16", "--kv-heads", "8",
         "--head-dim", "128", "--ffn", "3072", "--context", "2048", "--tied"]


def write_hole(path, tensors, dtype, seed):
    """A safetensors file of zeros that take no space."""
    header, offset = {}, 0
    for name, shape, _, _ in tensors:
        size = make.math.prod(shape) * make.SIZES[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        file.truncate(8 + len(head) + offset)


def make_model(directory, flags):
    make.write_shard = write_hole
    make.set_biases = lambda options, routed, tensors: tensors
    sys.argv = ["make.py", str(directory), *flags]
    make.main()


def get_report(directory, *flags):
    command = ["modc", directory, "--target=nvptx", "--report=json", *flags]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def check(name, directory, dtype, kv_dtype, layers, routed):
    report = get_report(directory, f"--dtype={dtype}", f"--kv-dtype={kv_dtype}")
    plan = report["gpu"]
    dense, sparse = plan["dense_layer_launches"], plan["routed_layer_launches"]
    ratio = plan["bytes"] / plan["minimum_bytes"]
    print(f"{name} {dtype}: {dense} kernels of a dense layer, {sparse} of a routed one, "
          f"{report['decode']['launches']} of a token, bytes {ratio:.4f} of the least")
    assert 0 < dense <= 8 and sparse <= 10 and (sparse > 0) == (routed > 0), plan
    assert report["decode"]["launches"] <= 8 * (layers - routed) + 10 * routed + 4, report["decode"]
    assert 1 <= ratio <= 1.10, ratio
    check_least(report, plan, json.loads((directory / "config.json").read_text()))
    check_times(plan)


def check_least(report, plan, config):
    """All weights and caches, but of the table of embeddings a row where it is not the head too."""
    most = report["weights_bytes"] + report["kv_bytes"]
    embedding = 4 * config["vocab_size"] * config["hidden_size"]
    assert 0.999 * (most - embedding) <= plan["minimum_bytes"] <= most, (plan["minimum_bytes"], most)


def check_times(plan):
    assert {chip["chip"] for chip in plan["roofline"]} == {"A100", "H100", "H200", "L4", "RTX 4090"}
    for chip in plan["roofline"]:
        least = plan["bytes"] / chip["gigabytes_per_second"] / 1e3
        assert 0.9999 * least <= chip["microseconds"] <= 1.05 * least, chip
        peaks = chip["tensor_teraflops"]
        assert peaks["bf16"] == peaks["f16"] >= 2 * peaks["tf32"] > 1.9 * chip["teraflops"], chip
    assert sum(kernel["bytes"] for kernel in plan["kernels"]) == plan["bytes"]
    # Layers of one kind are launches of the same kernels.
    assert len(plan["kernels"]) < 30, [kernel["name"] for kernel in plan["kernels"]]


def main(work):
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    make_model(work / "m110", ["--preset", "m110"])
    make_model(work / "billion", [*BILLION, "--routed", "none"])
    make_model(work / "billion-routed", BILLION)
    make_model(work / "qwen3", [*QWEN3, "--routed", "odd"])
    for dtype in "f32", "bf16":
        check("m110", work / "m110", dtype, "f32", 12, 6)
        check("billion", work / "billion", dtype, dtype, 22, 0)
        check("billion-routed", work / "billion-routed", dtype, dtype, 22, 11)
        check("qwen3", work / "qwen3", dtype, dtype, 28, 14)


main(pathlib.Path(sys.argv[1]))
