#!/usr/bin/env python3
"""Runs lit, prints what failed, and ends with `N passed, N failed, N skipped`."""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

LIT = "/usr/lib/llvm-22/bin/lit"
PASSED = {"PASS", "XFAIL", "FLAKYPASS"}
SKIPPED = {"UNSUPPORTED", "SKIPPED", "EXCLUDED"}


def run_lit(paths, arguments):
    """The result code of every test, and lit's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.json"
        command = [LIT, "-v", "--print-result-after=failed", "--output", str(report)]
        status = subprocess.run(command + arguments + paths).returncode
        if not report.exists():
            return [], status or 1
        return [test["code"] for test in json.loads(report.read_text())["tests"]], status


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", help="default: build/test")
    options, arguments = parser.parse_known_args()
    root = pathlib.Path(__file__).resolve().parent.parent
    codes, status = run_lit(options.paths or [str(root / "build/test")], arguments)
    passed = sum(code in PASSED for code in codes)
    skipped = sum(code in SKIPPED for code in codes)
    failed = len(codes) - passed - skipped
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or status or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
