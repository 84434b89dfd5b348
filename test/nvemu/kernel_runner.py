"""Kernels of one op each, from the compiler to the emulator.

A program with one op on buffers %a, %b, ... becomes kernels; what tests run is the last of these, in a child of the
process, since the emulator reads its environment once and ends the process where something is wrong.
"""

import ctypes
import functools
import itertools
import math
import os
import pickle
import re
import struct
import subprocess
import tempfile
import traceback

import numpy as np

BYTES = {"i8": 1, "bf16": 2, "f16": 2, "f32": 4, "f64": 8, "i32": 4, "i64": 8}
# Every order of threads, with copies done at once or as late as may be.
ENVIRONMENTS = [dict(NVEMU_ORDER=order, NVEMU_COPIES=copies, NVEMU_RACES="1", NVEMU_BOUNDS="1")
                for order, copies in itertools.product(("forward", "reverse", "random"), ("lazy", "eager"))]
TO_KERNELS = ["mod-opt", "--pass-pipeline=builtin.module(mod-lower-to-gpu,canonicalize,cse,"
              "gpu.module(mod-expand-gpu-math))"]
TO_LLVM = ["mlir-opt", "--pass-pipeline=builtin.module(gpu.module(expand-strided-metadata,lower-affine,convert-scf-to-cf,"
           "convert-nvgpu-to-nvvm,convert-gpu-to-nvvm{use-bare-ptr-memref-call-conv=1},convert-nvvm-to-llvm,"
           "reconcile-unrealized-casts,canonicalize,cse))"]


def pipe(command, text):
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr}")
    return done.stdout


def count_bytes(kind):
    *sizes, element = kind.split("x")
    count = 1
    for size in map(int, sizes):
        count *= size
    return count * BYTES[element]


def to_bits(x, element):
    """Numbers rounded to the nearest of an element, as memory has them."""
    x = np.asarray(x, np.float32)
    if element != "bf16":
        return x.astype({"f32": np.float32, "f16": np.float16}[element])
    bits = x.view(np.uint32)
    return (bits + 0x7fff + (bits >> 16 & 1) >> 16).astype(np.uint16)


def from_bits(bits, element):
    if element == "bf16":
        return (bits.astype(np.uint32) << 16).view(np.float32)
    return bits.astype(np.float32)


def make_choice(vocab, draw, top_k, top_p, min_p, temperature, penalty, recent):
    """A modrt_choice (runtime/modrt.h)."""
    recent = [*recent, *[-1] * (64 - len(recent))]
    least, scale = math.ceil(min_p * 2**40), math.log2(math.e) / temperature
    return struct.pack("70d", top_k or vocab, top_p, least, scale, draw, penalty, *recent)


def write_program(types, op):
    """The program, in which A stands for the type of %a. The weight of warpgroups, %b, is one of the model's."""
    views, place = "", 0
    for name, kind in zip("abcdefgh", types):
        op = re.sub(rf"\b{name.upper()}\b", f"memref<{kind}>", op)
        root = "weights" if name == "b" and "mod.warpgroups" in op else "arena"
        views += (f"%o{name} = arith.constant {place} : index\n"
                  f"%{name} = memref.view %{root}[%o{name}][] : memref<SIZExi8> to memref<{kind}>\n")
        place += -(-count_bytes(kind) // 256) * 256
    roots = ", ".join(f'%{root}: memref<SIZExi8> {{mod.role = "{root}"}}' for root in ("weights", "arena"))
    return f"func.func @forward({roots}) {{\n{views}{op}\nreturn\n}}".replace("SIZE", str(place))


def describe_map(weight):
    """The tensor map of a weight, the second buffer of a kernel."""
    rows, columns = map(int, weight.split("x")[:2])
    return dict(buffer=1, rows=rows, columns=columns, box_rows=64, box_columns=32, swizzle=2)


class Kernel:
    """The module of the last kernel, its name, the types of its arguments, and its grid with its threads."""

    def __init__(self, types, op):
        text = pipe(TO_KERNELS, write_program(types, op))
        launch = re.findall(r"@kernels::@(\w+) blocks in \((.*?)\) +threads in \((.*?)\) +args\((.*?)\)", text)[-1]
        number = lambda name: int(re.search(rf"{name} = arith.constant (\d+) : index", text)[1])
        self.name, self.grid = launch[0], [number(name) for name in launch[1].split(", ")]
        self.grid.append(number(launch[2].split(", ")[0]))
        self.arguments = re.findall(r"memref<(\w+)>", launch[3])
        self.text = "module {\n" + text[text.index("gpu.module"):]


def compile_kernel(text):
    """The image of the kernels for the emulator."""
    chip = "sm_90a" if re.search("wgmma|mbarrier", text) else "sm_80"
    for command in TO_LLVM, ["mod-opt", f"--mod-compile-kernels=chips={chip}"]:
        text = pipe(command, text)
    data = re.search(r'data = "((?:[^"\\]|\\.)*)", kind = "llvm"', text)[1].encode()
    return re.sub(rb"\\([0-9A-F]{2}|.)", lambda m: bytes([int(m[1], 16)]) if len(m[1]) == 2 else m[1], data)


def run(library, work, **environment):
    """What is in the buffers of each kernel that is given as (image, name, grid, buffers, places) behind it, and what
    the emulator said. Places are what is added to the address of a buffer, and to its size."""
    driver = load_driver(library)
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            run_child(driver, work, environment, output, said)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        said.seek(0)
        return (pickle.load(output) if status == 0 else None), said.read().decode()


def run_child(driver, work, environment, output, said):
    try:
        os.dup2(said.fileno(), 2)
        os.environ.update(environment)
        pickle.dump([run_one(driver, *one) for one in work], output)
        output.flush()
        os._exit(0)
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(1)


def check_in_every_order(library, cases, make_case, check_result):
    """Runs what `make_case(case)` gives, the kernel with the place of its result among the buffers and what is expected
    there, in every order and copy mode. `check_result(case, buffers, place, expected)` is the error, and the results have
    the same bits in all."""
    works, places, expected = zip(*map(make_case, cases))
    first = None
    for environment in ENVIRONMENTS:
        results, said = run(library, list(works), **environment)
        assert results, f"{environment}: {said}"
        errors = [check_result(*one) for one in zip(cases, results, places, expected)]
        found = [one[place] for one, place in zip(results, places)]
        first = first or found
        for case, mine, theirs in zip(cases, found, first):
            assert mine == theirs, f"{case}: {environment} gives other bits"
    print("\n".join(f"{case}: {error:.1e}" for case, error in zip(cases, errors)))


@functools.cache
def load_driver(library):
    return ctypes.CDLL(library)


@functools.cache
def load_kernel(driver, image, name):
    module, function = ctypes.c_void_p(), ctypes.c_void_p()
    driver.cuModuleLoadData(ctypes.byref(module), image)
    assert driver.cuModuleGetFunction(ctypes.byref(function), module, name.encode()) == 0
    return function


def encode_map(driver, matrix, address):
    """The bytes of a tensor map, and what the driver says: a matrix has rows and columns of 16 bits, the box of both that is
    copied, and the mode in which chunks of the box change places."""
    words, encoded = ctypes.c_uint64 * 2, ctypes.create_string_buffer(128 + 64)
    start = -(-ctypes.addressof(encoded) // 64) * 64
    rows, columns, box_rows, box_columns, swizzle = (
        matrix[name] for name in ("rows", "columns", "box_rows", "box_columns", "swizzle"))
    bfloat16, of_128_bytes = 9, 2
    result = driver.cuTensorMapEncodeTiled(
        ctypes.c_void_p(start + matrix.get("shift", 0)), bfloat16, 2, ctypes.c_void_p(address), words(columns, rows),
        words(matrix.get("row_bytes", 2 * columns)), (ctypes.c_uint32 * 2)(box_columns, box_rows),
        (ctypes.c_uint32 * 2)(1, 1), 0, swizzle, of_128_bytes, 0)
    return ctypes.string_at(start, 128), result


def run_one(driver, image, name, grid, buffers, places):
    pointer = ctypes.c_void_p
    addresses = []
    for data, (shift, more) in zip(buffers, places):
        if isinstance(data, dict):
            # A tensor map of the buffer that it names.
            data, result = encode_map(driver, data, addresses[data["buffer"]].value)
            assert result == 0, f"a tensor map that the driver refuses: {result}"
        address = pointer()
        driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(len(data) + shift + more))
        addresses.append(pointer(address.value + shift))
        driver.cuMemcpyHtoDAsync_v2(addresses[-1], data, ctypes.c_size_t(len(data) + min(more, 0)), None)
    given = (pointer * len(addresses))(*(ctypes.cast(ctypes.byref(a), pointer) for a in addresses))
    driver.cuLaunchKernel(load_kernel(driver, image, name), *grid[:3], grid[3], 1, 1, 0, None, given, None)
    results = []
    for address, data in zip(addresses, buffers):
        if isinstance(data, dict):
            results.append(None)
            continue
        result = ctypes.create_string_buffer(len(data))
        driver.cuMemcpyDtoHAsync_v2(result, address, ctypes.c_size_t(len(data)), None)
        results.append(result.raw)
    return results
