#!/usr/bin/python3
"""Edit a model directory: edit-model.py DIR STATEMENT...

Statements change `config`, a dictionary, and the tensors of model.safetensors
with `add(name, dtype, shape)` and `remove(name)`.
"""

import json
import math
import struct
import sys

SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I8": 1}


class Model:
    """A directory's configuration and its tensors: name to (dtype, shape, bytes)."""

    def __init__(self, directory):
        self.directory = directory
        with open(f"{directory}/config.json") as file:
            self.config = json.load(file)
        with open(f"{directory}/model.safetensors", "rb") as file:
            length, = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
            data = file.read()
        header.pop("__metadata__", None)
        self.tensors = {name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
                        for name, entry in header.items()}

    def add(self, name, dtype, shape):
        self.tensors[name] = dtype, shape, bytes(math.prod(shape) * SIZES[dtype])

    def remove(self, name):
        del self.tensors[name]

    def save(self):
        with open(f"{self.directory}/config.json", "w") as file:
            json.dump(self.config, file, indent=1)
        header, offset = {}, 0
        for name, (dtype, shape, data) in self.tensors.items():
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
            offset += len(data)
        head = json.dumps(header).encode()
        with open(f"{self.directory}/model.safetensors", "wb") as file:
            file.write(struct.pack("<Q", len(head)) + head)
            file.writelines(data for _, _, data in self.tensors.values())


def main():
    model = Model(sys.argv[1])
    for statement in sys.argv[2:]:
        exec(statement, {"config": model.config, "add": model.add, "remove": model.remove})
    model.save()


if __name__ == "__main__":
    main()
