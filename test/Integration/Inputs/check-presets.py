#!/usr/bin/python3
"""Compiles checkpoints that do not say how they route, by preset or by what
gives them away, and compares their logits with the NumPy reference: of one
sequence in three modes, and of several that are decoded together.

Reads a file whose lines `MODEL: flags of make.py | prompt lengths | flags of modc`
name the models. The `mod` object that make.py writes tells the reference what
the preset must tell the compiler, which does not see it. With the word `wrapped`
or `class` for the flags of modc, tensors are named as astramind's
`apply_mod_to_hf` names them, and with `class` so is the model class. Where there
are no lengths, what is imported must be what the `mod` object leads to.
"""

import json
import re
import struct
import sys

from batch_check import check_sequences
from logits_check import run
from model_lines import check_models, make_model

BATCH = 3


def wrap_name(name, routed):
    """astramind's name of a tensor of ours."""
    layer = re.match(r"model\.layers\.(\d+)\.(.*)", name)
    if not layer or int(layer[1]) not in routed:
        return name
    part = layer[2].replace("router.", "router.weight_predictor.")
    return f"model.layers.{layer[1]}.{part if part != layer[2] else 'block.' + part}"


def rename_tensors(path, rename):
    """Changes the names in the header of a safetensors file."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    text = json.dumps({rename(name): entry for name, entry in header.items()}).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def hide_routing(directory, how):
    """Leaves of a model directory what another implementation would write."""
    path = directory / "config.json"
    config = json.loads(path.read_text())
    del config["mod"]
    if "class" in how:
        config["architectures"] = [name.replace("For", "MoDFor") for name in config["architectures"]]
    path.write_text(json.dumps(config))
    if "class" in how or "wrapped" in how:
        routed = range(1, config["num_hidden_layers"], 2)
        rename_tensors(directory / "model.safetensors", lambda name: wrap_name(name, routed))


def import_model(directory):
    """The imported IR, with our names for all tensors."""
    text = run(["modc", directory, "--emit=mlir:imported", "-o", "-"])
    return text.replace(".router.weight_predictor.", ".router.").replace(".block.", ".")


def check_import(directory, how):
    expected = import_model(directory)
    hide_routing(directory, how)
    if "mod.routed" not in expected or import_model(directory) != expected:
        raise RuntimeError("what is imported differs")
    return 0.0


def check_model(line, number, work):
    flags, lengths, how = (part.split() for part in line.split("|"))
    directory, choose = make_model(flags, number, work)
    if not lengths:
        return check_import(directory, how)
    prompts = [choose(int(length)) for length in lengths]
    hide_routing(directory, how)
    library = directory / "model.so"
    run(["modc", directory, "--emit=lib", f"--batch={BATCH}", "-o", library, *(word for word in how if word[0] == "-")])
    return check_sequences(library, prompts, BATCH, number)


if __name__ == "__main__":
    sys.exit(check_models(__doc__, check_model))
