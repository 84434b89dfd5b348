#!/usr/bin/python3
"""Checks that a command starts quickly: the best of ten runs, in ms.

    check-startup.py LIMIT COMMAND...
"""

import subprocess
import sys
import time


def measure(command):
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - begin)


def main():
    best = min(measure(sys.argv[2:]) for _ in range(10))
    print(f"started in {best:.1f} ms")
    return 0 if best < float(sys.argv[1]) else 1


if __name__ == "__main__":
    sys.exit(main())
