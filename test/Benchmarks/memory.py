#!/usr/bin/python3
"""Memory that a compiled model uses beside its weights, against its report.

    memory.py EXECUTABLE TOKENS

Lets it read that many tokens and watches the largest resident size of pages that are no file's. Routed blocks are taken to keep
as many rows as their capacity says.
"""
import json
import pathlib
import re
import subprocess
import sys
import time


def anonymous_bytes(process):
    try:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:
        return 0
    found = re.search(r"RssAnon:\s+(\d+)", status)
    return int(found.group(1)) * 1024 if found else 0


def peak_bytes(command):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, anonymous_bytes(process))
        time.sleep(0.001)
    if process.returncode:
        sys.exit(f"memory.py: {' '.join(command[:2])} failed")
    return peak


def measure(executable, tokens):
    """Used and reported bytes."""
    report = json.loads(subprocess.check_output([executable, "info", "--json"]))
    rows = [(tokens if block["layer"] < 0 else block["capacity"]) * block["cache_row_bytes"]
            for block in report["report"]["blocks"]]
    prompt = ",".join(str(i * 7 % report["vocab"]) for i in range(tokens - 1))
    used = peak_bytes([executable, "generate", "--tokens", prompt, "-n", "1"])
    return {"used": used, "reported": report["report"]["prefill"]["arena_bytes"] + sum(rows)}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
