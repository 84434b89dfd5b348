# What @prepare_weights leaves in the file, against NumPy.
#
# RUN: %python %s %t

import json
import pathlib
import struct
import subprocess
import sys

import numpy as np

TYPES = {"F32": "f32", "F16": "f16", "BF16": "bf16"}


class Parameter:
    """A tensor of the checkpoint: its bytes, and its values in f32."""

    def __init__(self, random, dtype, *shape):
        self.dtype, self.shape = dtype, shape
        values = random.standard_normal(shape, dtype=np.float32)
        if dtype == "F32":
            self.bytes, self.values = values.tobytes(), values
        elif dtype == "F16":
            half = values.astype(np.float16)
            self.bytes, self.values = half.tobytes(), half.astype(np.float32)
        else:
            high = (values.view(np.uint32) >> 16).astype(np.uint16)
            self.bytes = high.tobytes()
            self.values = (high.astype(np.uint32) << 16).view(np.float32).reshape(shape)

    def type(self, element=None):
        return f"tensor<{'x'.join(map(str, self.shape))}x{element or TYPES[self.dtype]}>"


def write_checkpoint(path, parameters):
    header, data = {}, b""
    for name, parameter in parameters.items():
        begin = len(data)
        data += parameter.bytes
        header[name] = {"dtype": parameter.dtype, "shape": parameter.shape, "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    # Of odd length, so that nothing in the file is aligned.
    text += b" " * (1 - len(text) % 2)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_weights(path):
    contents = path.read_bytes()
    length = struct.unpack("<Q", contents[:8])[0]
    header = json.loads(contents[8 : 8 + length])
    assert (8 + length) % 4096 == 0, length
    data, weights, end = contents[8 + length :], {}, 0
    for name, entry in header.items():
        begin, entry_end = entry["data_offsets"]
        assert begin == end, f"{name}: a hole or a disorder"
        end = entry_end
        assert entry["dtype"] == "F32", entry
        weights[name] = np.frombuffer(data[begin:end], np.float32).reshape(entry["shape"])
    assert end == len(data)
    return weights


class Module:
    """A program that uses values computed from parameters, as text."""

    def __init__(self):
        self.lines, self.results, self.count = [], [], 0

    def add(self, text, type):
        self.count += 1
        self.lines.append(f"%{self.count} = {text}")
        return f"%{self.count}", type

    def load(self, name, parameter):
        value, type = self.add(f'ml_program.global_load_const @"{name}" : {parameter.type()}', parameter.type())
        if parameter.dtype == "F32":
            return value, type
        wide = parameter.type("f32")
        return self.add(f"arith.extf {value} : {type} to {wide}", wide)

    def text(self, parameters):
        extern = "\n".join(
            f'ml_program.global private @"{name}"(#ml_program.extern : {p.type()}) : {p.type()}'
            for name, p in parameters.items()
        )
        values = ", ".join(value for value, _ in self.results)
        types = ", ".join(type for _, type in self.results)
        body = "\n  ".join(self.lines)
        return (
            f'{extern}\nfunc.func @forward(%n: index {{mod.role = "count"}}, %x: tensor<1x?x1xf32>) -> ({types}) '
            f"{{\n  {body}\n  return {values} : {types}\n}}\n"
        )


def pack(matrix, panel):
    rows, columns = matrix.shape
    panels = -(-rows // panel)
    padded = np.zeros((panels * panel, columns), np.float32)
    padded[:rows] = matrix
    return padded.reshape(panels, panel, columns).transpose(0, 2, 1)


def add_pack(module, value, rows, columns, panel):
    panels = -(-rows // panel)
    type = f"tensor<{panels}x{columns}x{panel}xf32>"
    zero, _ = module.add("arith.constant 0.0 : f32", "f32")
    empty, _ = module.add(f"tensor.empty() : {type}", type)
    padding = f"padding_value({zero} : f32) " if rows % panel else ""
    return module.add(
        f"linalg.pack {value[0]} {padding}inner_dims_pos = [0] inner_tiles = [{panel}] into {empty} : {value[1]} -> {type}",
        type,
    )


def add_concat(module, values, rows, columns):
    type = f"tensor<{rows}x{columns}xf32>"
    names = ", ".join(value for value, _ in values)
    types = ", ".join(value_type for _, value_type in values)
    return module.add(f"tensor.concat dim(0) {names} : ({types}) -> {type}", type)


def build(random):
    """A module, its parameters, and the weights that are to be in its file."""
    module, parameters, expected = Module(), {}, {}

    def parameter(name, dtype, *shape):
        parameters[name] = Parameter(random, dtype, *shape)
        return module.load(name, parameters[name]), parameters[name].values

    for dtype in TYPES:
        value, values = parameter(f"{dtype}.vector", dtype, 13)
        module.results.append(value)
        expected[f"{dtype}.vector"] = values
        for rows, columns, panel in [(16, 8, 8), (7, 5, 8), (33, 17, 16), (1, 1, 4), (40, 3, 16)]:
            name = f"{dtype}.{rows}x{columns}"
            value, values = parameter(name, dtype, rows, columns)
            module.results.append(add_pack(module, value, rows, columns, panel))
            expected[f"{name}.packed"] = pack(values, panel)
    # Two layers of one shape share a kernel, and must not share data.
    for layer in range(2):
        loaded = [
            parameter(f"{layer}.{name}_proj", dtype, rows, 9)
            for name, dtype, rows in [("q", "BF16", 12), ("k", "F32", 5), ("v", "F16", 6)]
        ]
        joined = add_concat(module, [value for value, _ in loaded], 23, 9)
        module.results += [joined, add_pack(module, joined, 23, 9, 16)]
        matrix = np.concatenate([values for _, values in loaded])
        expected[f"{layer}.{{q,k,v}}_proj"] = matrix
        expected[f"{layer}.{{q,k,v}}_proj.packed"] = pack(matrix, 16)
    return module.text(parameters), parameters, expected


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    text, parameters, expected = build(np.random.default_rng(1))
    (folder / "model.mlir").write_text(text)
    write_checkpoint(folder / "model.safetensors", parameters)
    output = folder / "weights.safetensors"
    output.unlink(missing_ok=True)
    command = [
        "mod-opt", folder / "model.mlir", "-o", "/dev/null",
        f"--mod-load-params=file={folder}", "--mod-hoist-weights",
        f"--mod-prepare-weights=output={output}",
    ]
    subprocess.run(command, check=True, timeout=300)
    weights = read_weights(output)
    assert weights.keys() == expected.keys(), weights.keys() ^ expected.keys()
    for name, values in expected.items():
        assert np.array_equal(weights[name], values), name


main()
