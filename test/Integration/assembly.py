# Inner loops of compiled kernels keep their vectors in registers, and use the
# instructions that a CPU has for a type.
# RUN: %python %s %t

import concurrent.futures
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = pathlib.Path(sys.argv[1])

# CPU, type, and the instruction that its products are made of.
CASES = [
    ("x86-64", "f32", "mulps"),
    ("x86-64-v3", "f32", "vfmadd231ps"),
    ("x86-64-v3", "bf16", "vfmadd231ps"),
    ("x86-64-v3", "i8", "vpmaddwd"),
    ("x86-64-v3", "i4", "vpmaddwd"),
    ("x86-64-v4", "f32", "vfmadd231ps"),
    ("znver4", "bf16", "vdpbf16ps"),
    ("znver4", "i8", "vpdpbusd"),
    ("sapphirerapids", "bf16", "tdpbf16ps"),
    ("sapphirerapids", "i8", "tdpbssd"),
]
MULTIPLICATION = re.compile(r"v?fmadd\w+ps|v?mulps|v?pmaddwd|vdpbf16ps|vpdpbusd|tdpb\w+")
SPILL = re.compile(r"[xyz]mm\d.*[\s,]-?\d*\(%rsp\)|[\s,]-?\d*\(%rsp\),.*[xyz]mm\d")


def functions(assembly):
    """The instructions and labels of each function, by name."""
    result, body = {}, []
    for line in assembly.splitlines():
        if match := re.match(r'"?([^\s."][^\s"]*?)"?:', line):
            body = result[match[1]] = []
        elif not line.startswith("\t."):
            body.append(line.strip())
    return result


def innermost_loops(body):
    labels = {line.split(":")[0]: i for i, line in enumerate(body) if line.startswith(".L")}
    jumps = ((re.match(r"j\w+\s+(\.L\w+)", line), i) for i, line in enumerate(body))
    spans = [(labels[match[1]], i) for match, i in jumps if match and labels.get(match[1], i) < i]
    for first, last in spans:
        if not any(first <= f and l <= last and (f, l) != (first, last) for f, l in spans):
            yield body[first:last]


def check(cpu, dtype, instruction):
    """What is wrong with the kernels of one target."""
    out = WORK / f"{cpu}-{dtype}.s"
    subprocess.run(["modc", WORK / "model", f"--cpu={cpu}", f"--dtype={dtype}", "--emit=asm", "-o", out], check=True)
    found, wrong = 0, []
    for name, body in functions(out.read_text()).items():
        for loop in innermost_loops(body) if "linear" in name or "attention" in name else []:
            multiplications = sum(bool(MULTIPLICATION.match(line)) for line in loop)
            found += "linear" in name and any(line.startswith(instruction) for line in loop)
            spills = [line for line in loop if SPILL.search(line)]
            if multiplications >= 8 and spills:
                wrong.append(f"{out.name}: {name}: {multiplications} multiplications, {len(spills)} spills: {spills[0]}")
    # Intel's is slower than multiply-adds of f32.
    if cpu == "sapphirerapids" and "vdpbf16ps" in out.read_text():
        wrong.append(f"{out.name}: vdpbf16ps")
    return wrong if found else wrong + [f"{out.name}: no product has {instruction}"]


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, ROOT / "examples/random-model/make.py", WORK / "model", "--layers", "2", "--dim", "192",
                    "--heads", "6", "--kv-heads", "2", "--ffn", "320", "--vocab", "259", "--context", "64"], check=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = [line for lines in pool.map(lambda case: check(*case), CASES) for line in lines]
    print(*wrong, sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
