#!/usr/bin/python3
"""Checks the examples of a page: check-page.py PAGE WORK

Blocks of ```mlir become files of WORK, named by their first line (`// NAME`),
and must pass mod-opt. In blocks of ```console the commands (`$ ...`) are run
there; they must say what the page says they do, `...` standing for any lines.
"""

import pathlib
import re
import subprocess
import sys

BLOCK = re.compile(r"^```(mlir|console)\n(.*?)^```$", re.M | re.S)


def run(command, work):
    result = subprocess.run(command, shell=True, cwd=work, capture_output=True, text=True)
    return result.returncode, result.stdout + result.stderr


def check_mlir(text, work):
    name = re.match(r"// (\S+\.mlir)\n", text)
    if not name:
        return "an mlir block does not start with its name:\n" + text
    (work / name[1]).write_text(text)
    code, output = run(f"mod-opt {name[1]} -o /dev/null", work)
    return output or f"{name[1]}: exit code {code}" if code else None


def check_console(text, work):
    for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.M):
        code, output = run(command, work)
        pattern = re.escape(expected).replace(r"\.\.\.", r"[\s\S]*")
        if code or not re.fullmatch(pattern, output):
            return f"$ {command}\nexit code {code}\n{output}expected\n{expected}"
    return None


def main():
    page, work = map(pathlib.Path, sys.argv[1:])
    work.mkdir(parents=True, exist_ok=True)
    blocks = BLOCK.findall(page.read_text())
    checks = {"mlir": check_mlir, "console": check_console}
    errors = [error for kind, text in blocks if (error := checks[kind](text, work))]
    print("\n".join(errors) or f"{page}: {len(blocks)} blocks")
    return 1 if errors or not blocks else 0


if __name__ == "__main__":
    sys.exit(main())
