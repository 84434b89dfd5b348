"""Runs a command that must fail: with this exit code, one line on stderr and
nothing on stdout. Prints the line.

usage: expect-exit.py CODE COMMAND...
"""

import subprocess
import sys

code, *command = sys.argv[1:]
done = subprocess.run(command, capture_output=True, timeout=60)
sys.stdout.buffer.write(done.stderr)
sys.stdout.flush()
assert done.returncode == int(code), f"exit code {done.returncode}, not {code}"
assert done.stderr.count(b"\n") == 1, "not one line"
assert not done.stdout, done.stdout
