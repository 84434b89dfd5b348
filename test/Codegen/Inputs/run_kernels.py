"""Compiles functions of mod ops on buffers and calls them with NumPy arrays.

A `Module` collects functions; `compile` lowers them all, with `mod-lower-kernels`
and upstream's passes, to one shared library. Parallel loops run in order.
`Cases` are functions with what they are to compute.
"""

import ctypes
import pathlib
import re
import subprocess
import tempfile

import numpy as np

PIPELINE = "builtin.module(" + ",".join([
    "scf-forall-to-for", "canonicalize", "cse",
    # A task's stack buffers belong to a function of their own, which these
    # sequential loops are not.
    "func.func(buffer-loop-hoisting)",
    "convert-scf-to-cf", "expand-strided-metadata", "lower-affine",
    "convert-vector-to-llvm", "finalize-memref-to-llvm", "convert-arith-to-llvm",
    "convert-math-to-llvm", "convert-index-to-llvm", "convert-cf-to-llvm",
    "convert-func-to-llvm", "convert-ub-to-llvm", "canonicalize", "cse",
    "reconcile-unrealized-casts"]) + ")"

# NumPy has no bf16: u2 stands for its bits.
ELEMENTS = {"f4": "f32", "u2": "bf16", "i4": "i32", "i2": "i16", "i1": "i8"}
MARCH = {128: "x86-64", 256: "x86-64-v3", 512: "x86-64-v3"}


EMULATED = pathlib.Path(__file__).with_name("emulated.ll")
EMULATED_CALLS = pathlib.Path(__file__).with_name("emulated.c")
TILES = r"@llvm\.x86\.(ldtilecfg|tilerelease|tilezero|tileloadd64|tilestored64|tdpbssd|tdpbf16ps)"


def emulate(text):
    """Makes LLVM IR call functions for the instructions of AVX-512 and AMX."""
    text = re.sub(TILES, r"@emulated.x86.\1", text).replace("immarg", "")
    lines = [line for line in text.splitlines()
             if not re.match(r"declare .*@llvm.x86.avx512", line)]
    text = "\n".join(lines).replace("@llvm.x86.avx512", "@emulated.x86.avx512")
    return text + EMULATED.read_text() if "@emulated.x86.avx512" in text else text


class Buffer:
    """An array as a memref whose dimensions `dynamic` are `?`.

    With `row`, rows are that many elements apart in memory and the memref says
    so with a dynamic offset, as a view of a wider buffer does.
    """

    def __init__(self, array, dynamic=(), row=None):
        self.array, self.dynamic, self.row = array, dynamic, row
        if row:
            # Guard values around the view show writes that are out of bounds.
            wide = np.full(array.shape[:-1] + (row,), 77, array.dtype)
            first = (row - array.shape[-1]) // 2
            wide[..., first:first + array.shape[-1]] = array
            self.wide, self.array = wide, wide[..., first:first + array.shape[-1]]

    def type(self):
        element = ELEMENTS[self.array.dtype.str[1:]]
        dims = ["?" if i in self.dynamic else str(n)
                for i, n in enumerate(self.array.shape)]
        layout = ""
        if self.row:
            strides = ["1", str(self.row), "?" if 1 in self.dynamic else
                       str(self.row * self.array.shape[1])][:self.array.ndim][::-1]
            layout = f", strided<[{', '.join(strides)}], offset: ?>"
        return f"memref<{'x'.join(dims + [element])}{layout}>"

    def descriptor(self):
        a, n = self.array, self.array.ndim
        words = [a.ctypes.data, a.ctypes.data, 0, *a.shape,
                 *(s // a.itemsize for s in a.strides)]
        return (ctypes.c_int64 * (3 + 2 * n))(*words)

    def check_guards(self):
        if self.row:
            copy = self.wide.copy()
            first = (self.row - self.array.shape[-1]) // 2
            copy[..., first:first + self.array.shape[-1]] = 77
            assert (copy == 77).all(), "wrote outside of its buffer"


def argument_type(argument):
    return argument.type() if isinstance(argument, Buffer) else "index"


class Module:
    def __init__(self):
        self.names = {}

    def add(self, op, arguments, result=None):
        """The name of a function of `arguments` that runs `op`: text in which
        {0}, {1}, ... are the arguments and {types} their types, comma
        separated. What differs in dynamic sizes alone is one function."""
        types = [argument_type(a) for a in arguments]
        names = [f"%{i}" for i in range(len(arguments))]
        signature = ", ".join(f"{n}: {t}" for n, t in zip(names, types))
        body = op.format(*names, types=", ".join(types))
        function = (f"({signature}) {'-> index' if result else ''} "
                    f"attributes {{llvm.emit_c_interface}} {{\n  {body}\n"
                    f"  return {result + ' : index' if result else ''}\n}}\n")
        return self.names.setdefault(function, f"kernel{len(self.names)}")

    def text(self):
        return "\n".join(f"func.func @{name}{function}"
                         for function, name in self.names.items())

    def compile(self, bits, passes=(), march=None):
        directory = tempfile.TemporaryDirectory()
        library = pathlib.Path(directory.name) / "kernels.so"
        calls = library.with_name("calls.o")
        subprocess.run(["clang-22", "-O2", "-fPIC", "-c", EMULATED_CALLS, "-o", calls], check=True)
        passes = passes or [f"--mod-lower-kernels=vector-bits={bits}"]
        text = self.text()
        for command in (["mod-opt", *passes, "-"],
                        ["mlir-opt-22", f"--pass-pipeline={PIPELINE}", "-"],
                        ["mlir-translate-22", "--mlir-to-llvmir", "-"],
                        ["clang-22", "-O1", f"-march={march or MARCH[bits]}", "-shared",
                         "-fPIC", "-Wno-override-module", "-x", "ir", "-", "-x", "none",
                         str(calls), "-o", str(library), "-lm"]):
            text = subprocess.run(command, input=text, text=True, check=True,
                                  stdout=subprocess.PIPE).stdout
            if command[0].startswith("mlir-translate"):
                text = emulate(text)
        compiled = Compiled(ctypes.CDLL(str(library)))
        compiled.directory = directory
        return compiled


class Compiled:
    def __init__(self, library):
        self.library = library

    def call(self, name, *arguments):
        function = getattr(self.library, f"_mlir_ciface_{name}")
        function.restype = ctypes.c_int64
        values = [a.descriptor() if isinstance(a, Buffer) else ctypes.c_int64(a)
                  for a in arguments]
        count = function(*[v if isinstance(v, ctypes.c_int64) else ctypes.byref(v)
                           for v in values])
        for argument in arguments:
            if isinstance(argument, Buffer):
                argument.check_guards()
        return count


def to_bfloat16(x):
    """The upper halves of floats, rounded to the nearest, as integers."""
    bits = x.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def from_bfloat16(x):
    return (x.astype(np.uint32) << 16).view(np.float32)


def pack(weight, panel):
    """`[out, in]` as panels `[ceil(out / panel)][in][panel]`, padded with 0."""
    n, k = weight.shape
    panels = -(-n // panel)
    padded = np.zeros((panels * panel, k), np.float32)
    padded[:n] = weight
    return np.ascontiguousarray(padded.reshape(panels, panel, k).transpose(0, 2, 1))


class Cases:
    """Ops with their arguments and what these must be afterwards."""

    def __init__(self, bits, options=()):
        self.bits = bits
        self.passes = [f"--mod-lower-kernels={' '.join([f'vector-bits={bits}', *options])}"]
        self.module, self.runs = Module(), []

    def add(self, op, arguments, outputs, expected, tolerance=2e-6, count=None):
        """`op` on `arguments` makes the buffers `outputs` equal to `expected`."""
        name = self.module.add(op, arguments, "%count" if count is not None else None)
        self.runs.append((name, op, arguments, outputs, expected, tolerance, count))

    def run(self):
        compiled = self.module.compile(self.bits, self.passes)
        for name, op, arguments, outputs, expected, tolerance, count in self.runs:
            result = compiled.call(name, *arguments)
            what = f"{op} : {[getattr(a, 'type', int)() for a in arguments]}"
            assert count is None or result == count, f"{what}: {result}, not {count}"
            for buffer, want in zip(outputs, expected):
                got = buffer.array[tuple(slice(n) for n in want.shape)]
                with np.errstate(invalid="ignore"):
                    error = np.abs(np.where(got == want, 0, got.astype(float) - want)).max(initial=0)
                limit = tolerance * max(1, np.abs(want[np.isfinite(want)]).max(initial=0))
                assert error <= limit, f"{what}: error {error}, limit {limit}"


def rotate(x, positions, heads, theta):
    m, d = x.shape[0], x.shape[1] // heads
    x, half = x.reshape(m, heads, d), d // 2
    frequency = (theta ** (-2.0 * np.arange(half) / d)).astype(np.float32)
    angle = np.array(positions, np.float32)[:, None] * frequency
    c, s = (f(angle.astype(float))[:, None] for f in (np.cos, np.sin))
    low, high = x[..., :half], x[..., half:]
    return np.concatenate([low * c - high * s, high * c + low * s],
                          -1).reshape(m, heads * d)
