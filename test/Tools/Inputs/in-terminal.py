#!/usr/bin/python3
"""Prints what a command writes to standard error where that is a terminal: in-terminal.py COMMAND..."""

import os
import pty
import subprocess
import sys

master, slave = pty.openpty()
process = subprocess.Popen(sys.argv[1:], stderr=slave)
os.close(slave)
output = b""
try:
    while data := os.read(master, 4096):
        output += data
except OSError:
    pass  # Linux's way to say that the other side is closed.
sys.stdout.buffer.write(output)
sys.exit(process.wait())
