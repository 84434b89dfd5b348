#!/usr/bin/python3
"""Compiles the kernels that are measured: products and attention, each a program of its own.

    make-kernels.py FOLDER --bin DIRECTORY_OF_MOD_OPT [--small]

The programs go through the compiler's own phases, so that tiles, the layout of weights and that of caches are its own.
FOLDER gets `kernels.o`, `kernels.h` and `kernels.inc` (declarations and a table of calls for C++), `raw.safetensors`, and
`weights.safetensors`, packed.
"""
import argparse
import json
import pathlib
import re
import struct
import subprocess

import numpy as np

TOKENS = 2048
PRODUCTS = [(768, 768), (768, 2304), (768, 4096), (2048, 768), (768, 32000)]
HEADS = [(24, 32), (12, 64), (6, 128)]
TYPES = {"count": "int64_t", "pool": "void *", "result": "void *"}   # in C; others are memrefs
TO_LLVM = "builtin.module(" + ",".join([
    "expand-strided-metadata", "lower-affine", "convert-scf-to-cf", "convert-vector-to-llvm", "finalize-memref-to-llvm",
    "convert-arith-to-llvm", "convert-math-to-llvm", "convert-index-to-llvm", "convert-ub-to-llvm", "convert-cf-to-llvm",
    "convert-func-to-llvm", "reconcile-unrealized-casts", "canonicalize", "cse"]) + ")"


def row_width(k):
    """From row to row of an input, as `mod-pad-rows` has it."""
    return k + 16 if 4 * k % 256 == 0 else k


def product(k, n, tokens):
    """x W^T of as many of the `tokens` rows as `count` says; all programs of one shape share the weight."""
    width = k if tokens == 1 else row_width(k)
    weight, x, y = (f"tensor<{shape}xf32>" for shape in (f"{n}x{k}", f"1x{tokens}x{width}", f"1x{tokens}x{n}"))
    body = f"%w = ml_program.global_load_const @w_{k}_{n} : {weight}\n"
    if tokens == 1:
        body += f"%r = mod.linear %x, %w into(%y) : ({x}, {weight}, {y}) -> {y}\n"
    else:
        some_x, some_y = f"tensor<1x?x{k}xf32>", f"tensor<1x?x{n}xf32>"
        body += (f"%n = affine.min affine_map<(d0) -> (d0, {tokens})>(%count)\n"
                 f"%xs = tensor.extract_slice %x[0, 0, 0] [1, %n, {k}] [1, 1, 1] : {x} to {some_x}\n"
                 f"%ys = tensor.extract_slice %y[0, 0, 0] [1, %n, {n}] [1, 1, 1] : {y} to {some_y}\n"
                 f"%p = mod.linear %xs, %w into(%ys) : ({some_x}, {weight}, {some_y}) -> {some_y}\n"
                 f"%r = tensor.insert_slice %p into %y[0, 0, 0] [1, %n, {n}] [1, 1, 1] : {some_y} into {y}\n")
    return f"product_{k}_{n}_{tokens}", program(
        f"product_{k}_{n}_{tokens}", f"%x: {x} {{mod.role = \"x\"}}, %count: index {{mod.role = \"count\"}}", y, body)


def program(name, arguments, result, body):
    return (f"func.func @{name}({arguments}, %y: {result} {{bufferization.writable = true, mod.role = \"y\"}}) -> {result} "
            f"attributes {{llvm.emit_c_interface}} {{\n{body}return %r : {result}\n}}\n")


def attention(heads, dim, tokens):
    """Queries over a cache whose last rows are their own keys and values; `tokens` is 1 or the length of the cache."""
    width, name = heads * dim, f"attention_{heads}_{dim}_{tokens}"
    x, cache = f"tensor<1x{tokens}x{width}xf32>", f"!mod.kv_cache<{TOKENS}x{width}xf32>"
    call = f"heads({heads}) kv_heads({heads})"
    if tokens == 1:
        body = f"%r = mod.cached_attention %x over %cache {call} into(%y) : ({x}, {cache}, {x}) -> {x}\n"
    else:
        some = f"tensor<1x?x{width}xf32>"
        slices = f"[0, 0, 0] [1, %n, {width}] [1, 1, 1] :"
        body = (f"%n = affine.min affine_map<(d0) -> (d0, {tokens})>(%count)\n"
                f"%xs = tensor.extract_slice %x{slices} {x} to {some}\n"
                f"%ys = tensor.extract_slice %y{slices} {x} to {some}\n"
                f"%p = mod.cached_attention %xs over %cache {call} into(%ys) : ({some}, {cache}, {some}) -> {some}\n"
                f"%r = tensor.insert_slice %p into %y{slices} {some} into {x}\n")
    return name, program(name, f"%x: {x} {{mod.role = \"x\"}}, %count: index {{mod.role = \"count\"}}, "
                               f"%cache: {cache} {{mod.role = \"cache\"}}", x, body)


def append(heads, dim):
    """Fills the cache: `x` holds the keys, `y` the values. One query says what heads the cache has."""
    width, name = heads * dim, f"append_{heads}_{dim}_{TOKENS}"
    x, one, cache = f"tensor<1x{TOKENS}x{width}xf32>", f"tensor<1x1x{width}xf32>", f"!mod.kv_cache<{TOKENS}x{width}xf32>"
    slices = f"[0, 0, 0] [1, 1, {width}] [1, 1, 1] :"
    body = (f"mod.cache_append %cache, %x, %y : {cache}, {x}, {x}\n"
            f"%q = tensor.extract_slice %x{slices} {x} to {one}\n"
            f"%p = mod.cached_attention %q over %cache heads({heads}) kv_heads({heads}) : ({one}, {cache}) -> {one}\n"
            f"%r = tensor.insert_slice %p into %y{slices} {one} into {x}\n")
    return name, program(name, f"%x: {x} {{mod.role = \"x\"}}, %cache: {cache} {{mod.role = \"cache\"}}", x, body)


def write_weights(path, shapes):
    """Uniform values in [-0.05, 0.05)."""
    header, offset = {}, 0
    for k, n in shapes:
        header[f"w_{k}_{n}"] = {"dtype": "F32", "shape": [n, k], "data_offsets": [offset, offset + 4 * n * k]}
        offset += 4 * n * k
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for index, (k, n) in enumerate(shapes):
            values = np.random.default_rng(index).random((n, k), np.float32)
            file.write(((values - np.float32(0.5)) * np.float32(0.1)).tobytes())


def run(*command, text=None):
    return subprocess.run(list(map(str, command)), input=text, text=True, check=True, stdout=subprocess.PIPE).stdout


def vector_bits():
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    return 512 if re.search(r"\bavx512vl\b", flags) else 256 if re.search(r"\bfma\b", flags) else 128


def write_table(folder, lowered, names):
    """`kernels.h` declares the programs, `kernels.inc` lists calls of them, with arguments in the order that the compiler chose."""
    declarations = [f"static const int64_t {name} = {number(lowered, attribute)};"
                    for name, attribute in (("arenaSize", "mod.arena_bytes"), ("cachesSize", "mod.caches_bytes"))]
    calls = []
    for name in names:
        signature, result = re.search(rf"func\.func @{name}\((.*?)\) (->)?", lowered).groups()
        roles = ["pool"] * ("!llvm.ptr" in signature) + re.findall(r'mod\.role = "(\w+)"', signature)
        # The destination comes back as a result, whose place is the first argument of a C interface.
        roles = ["result"] * bool(result) + list(dict.fromkeys(roles))
        types = [TYPES.get(role, "const void *") for role in roles]
        width = re.search(r'memref<1x\d+x(\d+)xf32> {mod\.role = "x"}', signature).group(1)
        declarations.append(f'extern "C" void _mlir_ciface_{name}({", ".join(types)});')
        kind, a, b, tokens = name.split("_")
        arguments = ", ".join(f"on.{role}()" for role in roles)
        calls.append(f'{{"{kind}", {a}, {b}, {tokens}, {width}, [](const Arguments &on) {{ _mlir_ciface_{name}({arguments}); }}}},')
    (folder / "kernels.h").write_text("\n".join(declarations) + "\n")
    (folder / "kernels.inc").write_text("\n".join(calls) + "\n")


def number(text, attribute):
    found = re.search(rf"{re.escape(attribute)} = (\d+)", text)
    return found.group(1) if found else "0"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--llvm", type=pathlib.Path, default="/usr/lib/llvm-22/bin", help="directory of mlir-opt and clang")
    parser.add_argument("--small", action="store_true", help="one small shape of each kind")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    shapes, heads = ([(64, 96)], [(2, 32)]) if options.small else (PRODUCTS, HEADS)
    programs = [product(k, n, tokens) for k, n in shapes for tokens in (1, TOKENS)]
    programs += [attention(h, d, tokens) for h, d in heads for tokens in (1, TOKENS)] + [append(h, d) for h, d in heads]
    text = "".join(f"ml_program.global private @w_{k}_{n}(#ml_program.extern : tensor<{n}x{k}xf32>) : tensor<{n}x{k}xf32>\n"
                   for k, n in shapes) + "".join(text for _, text in programs)
    raw, weights, bits = options.folder / "raw.safetensors", options.folder / "weights.safetensors", f"=vector-bits={vector_bits()}"
    write_weights(raw, shapes)
    lowered = run(options.bin / "mod-opt", f"--mod-load-params=file={raw}", "--mod-to-fused", f"--mod-to-packed{bits}",
                  f"--mod-prepare-weights=output={weights}", f"--mod-to-bufferized{bits}", f"--mod-to-lowered{bits}",
                  "--mod-outline-parallel", "-", text=text)
    write_table(options.folder, lowered, [name for name, _ in programs])
    text = run(options.llvm / "mlir-opt", f"--pass-pipeline={TO_LLVM}", "--allow-unregistered-dialect", "-", text=lowered)
    text = run(options.llvm / "mlir-translate", "--mlir-to-llvmir", "-", text=text)
    run(options.llvm / "clang", "-O2", "-march=native", "-fPIC", "-Wno-override-module", "-c", "-x", "ir", "-", "-o",
        options.folder / "kernels.o", text=text)


if __name__ == "__main__":
    main()
