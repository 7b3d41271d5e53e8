#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Every test that doc/extra_api.md names in the last column of its tables is there."""
import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
PLACES = {"wire/": "test/wire/stack/{}.py", "extra/": "test/interop/extra/{}.py"}


def path_of(name):
    for prefix, place in PLACES.items():
        if name.startswith(prefix):
            return place.format(name[len(prefix):])
    return f"test/unit/{name}.c"


def missing(cell):
    """Of "sock/test_lend datagrams, waits, wire/memif recv" the names that are none."""
    path = text = None
    for word in re.split(r"[ ,]+", cell.strip()):
        if "/" in word:
            path = path_of(word)
            full = os.path.join(TOP, path)
            text = open(full).read() if os.path.exists(full) else None
            if text is None:
                yield path
        elif text is not None and not re.search(rf"^(?:def )?{re.escape(word)}\(", text, re.M):
            yield f"{word} in {path}"


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
