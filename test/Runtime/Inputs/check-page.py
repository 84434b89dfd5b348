"""Compares a page of `trace`, as Chromium shows it, with its JSON.

usage: check-page.py PAGE JSON [--width PIXELS]
"""

import argparse
import html.parser
import json
import pathlib
import struct
import subprocess
import zlib

import numpy as np

HEIGHT = 640
SHOT_WIDTH = 480  # small enough to decode in Python
# What the page cannot say of itself: whether it is wider than the window.
PROBE = """<script>document.body.dataset.overflow =
document.documentElement.scrollWidth > innerWidth;</script></body>"""


def browse(page, width, *flags):
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={page.parent}/profile", f"--window-size={width},{HEIGHT}"]
    command += [*flags, page.resolve().as_uri()]
    result = subprocess.run(command, capture_output=True, timeout=120)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout.decode()


class Page(html.parser.HTMLParser):
    """Token texts and cells of the lines, and the attributes of the body."""

    def __init__(self, text):
        super().__init__()
        self.tokens, self.rows, self.body = [], {}, {}
        self.in_line = self.in_token = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        kind = attributes.get("class", "")
        if tag == "body":
            self.body = attributes
        elif tag == "table":
            self.in_line = kind == "line"
        elif tag == "th" and self.in_line and attributes.get("scope") == "row":
            self.row = self.rows.setdefault(attributes["aria-label"], [])
        elif tag == "th" and self.in_line and attributes.get("scope") == "col":
            self.tokens.append("")
            self.in_token = True
        elif tag == "td" and self.in_line:
            self.row.append(kind)

    def handle_endtag(self, tag):
        self.in_token = self.in_token and tag != "th"

    def handle_data(self, data):
        if self.in_token:
            self.tokens[-1] += data


def expect_cells(trace, layer):
    took, other = set(layer["top_k"]), set(layer["causal"])
    if trace["routing"] == "causal":
        took, other = other, took
    kinds = {(1, 1): "block", (1, 0): "block differs", (0, 1): "ring", (0, 0): ""}
    return [kinds[i in took, i in other] for i in range(len(trace["tokens"]))]


def check_cells(page, trace):
    assert page.body["data-overflow"] == "false", page.body
    texts = [text.replace("\n", "\u21b5") for text in trace["texts"]]
    assert page.tokens == texts, page.tokens
    assert len(page.rows) == len(trace["layers"]), page.rows.keys()
    for layer in trace["layers"]:
        expected = expect_cells(trace, layer)
        assert len(set(expected)) > 2, "the text shows too little"
        assert page.rows[f"layer {layer['layer']}"] == expected, page.rows


def read_png(path):
    """[height, width, channels] of an 8 bit PNG."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"IHDR":
            width, height, depth, color = struct.unpack(">IIBB", data[at + 8 : at + 18])
        packed += data[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += size + 12
    assert depth == 8
    channels = {2: 3, 6: 4}[color]
    lines = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, -1)
    rows, above = [], [0] * (width * channels)
    for line in lines:
        above = unfilter(line[0], line[1:].tolist(), above, channels)
        rows.append(above)
    return np.array(rows).reshape(height, width, channels)


def unfilter(kind, line, above, channels):
    """Adds what a line's filter predicts of a byte from its neighbours."""
    for x, up in enumerate(above):
        left, corner = (line[x - channels], above[x - channels]) if x >= channels else (0, 0)
        line[x] = (line[x] + predict(kind, left, up, corner)) % 256
    return line


def predict(kind, left, up, corner):
    if kind == 4:
        guess = left + up - corner
        return min((left, up, corner), key=lambda value: abs(guess - value))
    return [0, left, up, (left + up) // 2][kind]


def check_picture(picture, is_dark):
    gray = picture[:, :, :3].mean(2)
    paper = np.bincount(gray.astype(int).ravel()).argmax()
    assert (paper < 64) == is_dark and (paper > 192) != is_dark, paper
    ink = abs(gray - paper) > 64
    print(f"paper {paper}, ink {ink.mean():.1%}")
    assert 0.005 < ink.mean() < 0.5, ink.mean()
    # Saturated, as blocks are.
    assert (np.ptp(picture[:, :, :3], axis=2) > 60).mean() > 0.0005


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("json", type=pathlib.Path)
    parser.add_argument("--width", type=int, default=900)
    options = parser.parse_args()
    probed = options.page.with_suffix(".probed.html")
    probed.write_text(options.page.read_text().replace("</body>", PROBE))
    page = Page(browse(probed, options.width, "--dump-dom"))
    check_cells(page, json.loads(options.json.read_text()))
    for is_dark in (False, True):
        shot = options.page.with_suffix(".dark.png" if is_dark else ".png")
        scheme = ["--blink-settings=preferredColorScheme=0"] if is_dark else []
        browse(options.page, SHOT_WIDTH, f"--screenshot={shot}", *scheme)
        check_picture(read_png(shot), is_dark)


if __name__ == "__main__":
    main()
