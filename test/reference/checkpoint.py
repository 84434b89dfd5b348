"""Reads a model directory: config.json and its safetensors, as NumPy arrays."""

import json
import math
import pathlib
import struct

import numpy as np


def widen_bf16(raw):
    """A bfloat16 is the upper half of a float32."""
    return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)


DECODERS = {
    "F32": lambda raw: np.frombuffer(raw, "<f4"),
    "F16": lambda raw: np.frombuffer(raw, "<f2"),
    "BF16": widen_bf16,
}


def read_safetensors(path):
    """Every tensor of one file: a length, a JSON header, the data."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(length)), file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = DECODERS[entry["dtype"]](data[begin:end])
        assert values.size == math.prod(entry["shape"]), name
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def read_model(directory):
    """The configuration and all tensors, from one file or from shards."""
    directory = pathlib.Path(directory)
    config = json.loads((directory / "config.json").read_text())
    index = directory / "model.safetensors.index.json"
    files = {"model.safetensors"}
    if index.exists():
        files = set(json.loads(index.read_text())["weight_map"].values())
    tensors = {}
    for file in sorted(files):
        tensors.update(read_safetensors(directory / file))
    return config, tensors
