"""Kernels whose registers an assembler reports in memory, or whose wgmma one after the other, are warnings that name them; machine code that does not
come is an error. The assembler here says what the test wants.

RUN: %python %s %t %{examples}
"""
import os
import pathlib
import shutil
import subprocess
import sys

work, examples = pathlib.Path(sys.argv[1]), sys.argv[2]
shutil.rmtree(work, ignore_errors=True)
(work / "bin").mkdir(parents=True)
subprocess.run([sys.executable, f"{examples}/random-model/make.py", work / "model", "--layers", "1", "--dim", "32",
                "--heads", "2", "--vocab", "64", "--context", "32"], check=True, stdout=subprocess.DEVNULL)


def compile_with(properties, status=0):
    """What modc says where ptxas reports these properties of a kernel `rope`."""
    program = work / "bin" / "ptxas"
    program.write_text(f"""#!/bin/sh
echo "ptxas info    : Function properties for embedding"
echo "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"
echo "ptxas info    : Function properties for rope"
echo "    {properties}"
exit {status}
""")
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{work}/bin:{os.environ['PATH']}"}
    command = ["modc", work / "model", "--target=nvptx", "-o", work / "exe"]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def check(properties, expected):
    result = compile_with(properties)
    assert result.returncode == 0, result
    assert expected in result.stderr if expected else not result.stderr, (properties, result.stderr)


check("0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads", "")
check("0 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads",
      "warning: 'rope' spills registers to memory: 8 bytes spill stores on sm_80")
check("0 bytes stack frame, 0 bytes spill stores, 4 bytes spill loads",
      "warning: 'rope' spills registers to memory: 4 bytes spill loads on sm_80")
check("16 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads",
      "warning: 'rope' spills registers to memory: 16 bytes stack frame on sm_80")
check("wgmma.mma_async instructions are serialized due to ill formed pipeline stage in the function 'rope'",
      "warning: 'rope' runs one wgmma after the other: ill formed pipeline stage on sm_80")
check("wgmma.mma_async instructions are serialized due to insufficient register resources for the function 'rope'",
      "warning: 'rope' runs one wgmma after the other: insufficient register resources on sm_80")
failed = compile_with("", status=3)
assert failed.returncode != 0 and "failed for sm_80" in failed.stderr, failed
