#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Every test that doc/extra_api.md names in the last column of its tables is there."""
import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
PLACES = {"wire/ring/": "test/wire/ring/", "wire/": "test/wire/stack/",
          "extra/": "test/interop/extra/", "": "test/unit/"}


def text_of(name):
    """Of "sock/test_lend" or "preload/libvma.sh" the text, in whatever language it is."""
    for prefix, place in PLACES.items():
        if name.startswith(prefix):
            base = os.path.join(TOP, place, name[len(prefix):])
            break
    paths = [base + end for end in ("", ".c", ".cc", ".py") if os.path.isfile(base + end)]
    return "".join(open(path).read() for path in paths)


def missing(cell):
    """Of "sock/test_lend datagrams, waits, wire/memif recv" the names that are none."""
    name = text = None
    for word in re.split(r"[ ,]+", cell.strip()):
        if "/" in word:
            name, text = word, text_of(word)
            if not text:
                yield word
        elif text and not re.search(rf"^(?:def )?{re.escape(word)}\(", text, re.M):
            yield f"{word} in {name}"


bad, rows = [], 0
with open(os.path.join(TOP, "doc/extra_api.md")) as f:
    for number, line in enumerate(f, 1):
        cells = line.rstrip().strip("|").split("|")
        if not line.startswith("|") or len(cells) != 3 or cells[2].strip() in ("test", "---"):
            continue
        rows += 1
        if not cells[2].strip():
            bad.append(f"line {number}: no test")
        bad += [f"line {number}: no {m}" for m in missing(cells[2])]
for b in bad:
    print("doc/extra_api.md:", b)
sys.exit(bool(bad) or rows < 10)
