#!/usr/bin/python3
"""Prints the innermost loops of a function in assembly: inner-loops.py FILE FUNCTION

FUNCTION is a regular expression; the functions that match must have a loop.
"""

import re
import sys


def split_functions(lines):
    """Name and lines of each function."""
    name, body = None, []
    for line in lines:
        label = re.match(r"([\w.]+):", line)
        if label and not line.startswith(".L"):
            name, body = label.group(1), []
        if name:
            body.append(line.split("#")[0].strip())
        if line.startswith(".Lfunc_end") and name:
            yield name, body
            name = None


def find_loops(body):
    """Runs of lines from a label to a jump back to it, without labels in between."""
    labels = {line[:-1]: index for index, line in enumerate(body) if line.endswith(":")}
    for index, line in enumerate(body):
        jump = re.match(r"j\w+\s+(\.L\w+)$", line)
        begin = labels.get(jump.group(1), index) if jump else index
        if begin < index and not any(begin < other < index for other in labels.values()):
            yield body[begin:index + 1]


def main():
    path, pattern = sys.argv[1:]
    with open(path) as file:
        functions = list(split_functions(file.read().splitlines()))
    loops = [loop for name, body in functions if re.fullmatch(pattern, name) for loop in find_loops(body)]
    assert loops, f"no function {pattern} has a loop"
    print("\n\n".join("\n".join(loop) for loop in loops))


if __name__ == "__main__":
    main()
