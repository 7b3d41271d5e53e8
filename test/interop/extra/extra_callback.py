#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
A filter written for libvma, preloaded: its receive callback lets quotes through, keeps snapshots
where they lie and drops the rest, from a kernel's sender over the software ConnectX.
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from extralab import PORT, built, message, path, ready, records, send_all, warm
from lab import HOST_IP, check, equal, main
from proglab import Nic

MESSAGES = 6000
nic = None


def setup():
    global nic
    nic = Nic()


def mixed(n):
    """Of ten, three quotes and one snapshot."""
    kinds = b"QXXQSXXQXX"
    return [kinds[i % 10:i % 10 + 1] + message(i, 60 + i % 900) for i in range(n)]


def filters():
    messages = mixed(MESSAGES)
    quotes = [m for m in messages if m[:1] == b"Q"]
    snapshots = [m for m in messages if m[:1] == b"S"]
    program = nic.program(built("md_filter"), HOST_IP, PORT, len(quotes), len(snapshots),
                          path("quotes"))
    ready(program)
    warm(nic)
    before = nic.seen(), nic.moved()
    send_all(nic, messages)
    # one more quote would be one too many: it ends when it has all
    m = re.search(r"quotes (\d+) snapshots (\d+) dropped (\d+) odd (\d+)", program.end())
    check(m, "what it says at the end")
    equal([int(x) for x in m.groups()][:2], [len(quotes), len(snapshots)], "quotes, snapshots")
    equal(int(m[4]), 0, "callbacks that were told odd things")
    # of the last ten, two come after the last quote
    check(0 <= len(messages) - len(quotes) - len(snapshots) - int(m[3]) <= 2, f"{m[3]} dropped")
    equal([r[0] for r in records("quotes")], quotes, "quotes")
    equal([r[0] for r in records("quotes.held")], snapshots, "snapshots")
    nic.offloaded(before, MESSAGES)


main(setup, filters)
