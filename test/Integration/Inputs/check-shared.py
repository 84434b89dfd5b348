#!/usr/bin/python3
"""Checks that two processes share the pages of their weights.

    check-shared.py LIBRARY COMMAND...

COMMAND maps the weights at the end of LIBRARY, reads them, prints a line, and waits for the end of its input.
"""

import re
import subprocess
import sys


def start(command):
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process


def largest_mapping(process, library):
    """What smaps says of the largest mapping of the file, in KiB."""
    with open(f"/proc/{process.pid}/smaps") as file:
        parts = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", file.read(), flags=re.M)
    mapped = [dict((key, int(value)) for key, value in re.findall(r"^(\w+):\s+(\d+) kB", part, re.M))
              for part in parts if library in part.partition("\n")[0]]
    return max(mapped, key=lambda fields: fields["Size"])


library, command = sys.argv[1], sys.argv[2:]
processes = [start(command), start(command)]
for process in processes:
    pages = largest_mapping(process, library)
    print({key: pages[key] for key in ("Size", "Rss", "Pss", "Anonymous", "Private_Clean", "Private_Dirty")})
    assert pages["Rss"] > 0.8 * pages["Size"], "the weights were not read"
    assert pages["Anonymous"] == 0, "weights were copied"
    assert pages["Private_Clean"] + pages["Private_Dirty"] < 0.1 * pages["Rss"], "weights are not shared"
    assert pages["Pss"] < 0.6 * pages["Rss"], "weights are not shared"
for process in processes:
    process.communicate()
