#!/usr/bin/python3
"""Writes the tables of canonical composition as C++, from Python's own."""

import sys
import unicodedata

characters = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
hangul = range(0xAC00, 0xD7A4)


def decompositions():
    """(character, first, second or 0), one step each; Hangul is arithmetic."""
    for c in characters:
        parts = unicodedata.decomposition(c).split()
        if parts and not parts[0].startswith("<") and ord(c) not in hangul:
            first, second = ([int(part, 16) for part in parts] + [0])[:2]
            yield ord(c), first, second


def print_table(kind, name, rows):
    print(f"static constexpr {kind} {name}[] = {{")
    for row in rows:
        print("    {" + ", ".join(map(hex, row)) + "},")
    print("};")


pairs = list(decompositions())
composable = [(a, b, c) for c, a, b in pairs if b and unicodedata.normalize("NFC", chr(c)) == chr(c)]
classes = [(ord(c), unicodedata.combining(c)) for c in characters if unicodedata.combining(c)]
print_table("Triple", "kDecompositions", pairs)
print_table("Triple", "kCompositions", sorted(composable))
print_table("Class", "kClasses", classes)
