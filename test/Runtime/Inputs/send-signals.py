"""Interrupts `generate`, and closes its output.

usage: send-signals.py MODEL
"""

import os
import pty
import signal
import subprocess
import sys
import tempfile

model = sys.argv[1]
# No token is ever the end, and the context is far away: see fake-model.c.
endless = dict(os.environ, FAKE_CONTEXT="1000000", FAKE_NO_EOS="1")
command = [model, "generate", "--prompt", "ab"]


def interrupt(number):
    process = subprocess.Popen(
        command, env=endless, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.read(100)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, process.returncode
    assert out.endswith(b"\n") and not err, (out[-20:], err)


interrupt(signal.SIGINT)
interrupt(signal.SIGTERM)

process = subprocess.Popen(
    command, env=endless, stdout=subprocess.PIPE, stderr=subprocess.PIPE
)
process.stdout.read(100)
process.stdout.close()
assert process.wait(timeout=60) == -signal.SIGPIPE, process.returncode
assert not process.stderr.read()

# A terminal sees how far scoring is, and in the end no trace of it.
with tempfile.NamedTemporaryFile() as text:
    text.write(os.urandom(3_000_000))
    text.flush()
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [model, "score", text.name], stdout=subprocess.DEVNULL, stderr=secondary
    )
    os.close(secondary)
    seen = b""
    try:
        while piece := os.read(primary, 4096):
            seen += piece
    except OSError:  # how a terminal says that nobody writes to it any more
        pass
    assert process.wait(timeout=60) == 0
assert b"\rscoring [" in seen and b"s left" in seen, seen[-200:]
assert seen.endswith(b"\r\x1b[K"), seen[-20:]
