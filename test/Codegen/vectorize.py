# What mod-vectorize makes of elementwise ops, copies and the rest, against NumPy.
# RUN: %python %s 128
# RUN: %python %s 256
# RUN: %python %s 512

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Inputs"))
from run_kernels import Buffer, Module  # noqa: E402

bits = int(sys.argv[1])
random = np.random.default_rng(3)
module, runs = Module(), []


def normal(*shape):
    return random.standard_normal(shape).astype(np.float32)


def case(op, inputs, into, expected):
    """`op` with {ins} and {outs} writes `expected` to `into`."""
    arguments = [*inputs, into]
    types = [a.type() for a in arguments]
    names = ", ".join(f"%{i}" for i in range(len(inputs)))
    ins = f"ins({names} : {', '.join(types[:-1])})"
    outs = f"outs(%{len(inputs)} : {types[-1]})"
    name = module.add(op.replace("$ins", ins).replace("$outs", outs)
                      .replace("{", "{{").replace("}", "}}"), arguments)
    runs.append((name, op, arguments, into, expected))


def empty(*shape, **options):
    return Buffer(np.full(shape, 55, np.float32), **options)


SILU = """linalg.map $ins $outs (%g: f32, %u: f32, %o: f32) {
  %one = arith.constant 1.0 : f32
  %n = arith.negf %g : f32
  %e = math.exp %n : f32
  %d = arith.addf %e, %one : f32
  %s = arith.divf %g, %d : f32
  %p = arith.mulf %s, %u : f32
  linalg.yield %p : f32 }"""

for shape, row in (((1, 1, 64), None), ((1, 33, 21), 50), ((1, 5, 3), None)):
    g, u = 5 * normal(*shape), normal(*shape)
    dynamic = (1,) if shape[1] > 1 else ()
    into = empty(*shape, dynamic=dynamic, row=row)
    case(SILU, [Buffer(g, dynamic, row), Buffer(u, dynamic)], into,
         g / (1 + np.exp(-g.astype(float))) * u)
    case("linalg.add $ins $outs", [Buffer(g, dynamic, row), Buffer(u, dynamic)],
         empty(*shape, dynamic=dynamic), g + u)

# A row that is repeated, and one column that is.
x, b, c = normal(7, 45), normal(45), normal(7)
case("""linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>,
  affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>],
  iterator_types = ["parallel", "parallel"]} $ins $outs {
  ^bb0(%x: f32, %b: f32, %c: f32, %o: f32):
    %s = arith.addf %x, %b : f32
    %p = arith.mulf %s, %c : f32
    linalg.yield %p : f32 }""",
     [Buffer(x, (0, 1)), Buffer(b), Buffer(c)], empty(7, 45, dynamic=(0, 1)),
     (x + b) * c[:, None])
case("linalg.transpose $ins $outs permutation = [1, 0]", [Buffer(x)], empty(45, 7), x.T)
case("linalg.copy $ins $outs", [Buffer(x[None], (), 50)], empty(1, 7, 45, row=60), x[None])
case("linalg.exp $ins $outs", [Buffer(b)], empty(45), np.exp(b.astype(float)))
case("linalg.tanh $ins $outs", [Buffer(b)], empty(45), np.tanh(b.astype(float)))

compiled = module.compile(bits, [f"--mod-vectorize=vector-bits={bits}"])
for name, op, arguments, into, expected in runs:
    compiled.call(name, *arguments)
    error = np.abs(into.array - expected).max()
    assert error <= 1e-6 * max(1, np.abs(expected).max()), f"{op}: error {error}"
