#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
A market-data receiver written for libvma, preloaded: each message is read where it lies, from a
kernel's sender over the software ConnectX, unicast and multicast, fragments too, compared byte by
byte. Without dpvma the same program makes the kernel's calls.
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from extralab import PORT, built, message, path, ready, records, send_all, warm
from lab import HOST_IP, PEER_IP, check, equal, main
from proglab import Nic, Program, small

MESSAGES, GROUP = 4000, "239.8.8.8"
nic = None


def setup():
    global nic
    nic = Nic()


def said(out):
    m = re.search(r"messages (\d+) pieces (\d+) copied (\d+) gaps (\d+)", out)
    check(m, out)
    return [int(x) for x in m.groups()]


def sizes(n, *kinds):
    return [message(i, kinds[i % len(kinds)]) for i in range(n)]


def receive(messages, to, file):
    """What the receiver says of it; its bytes are compared."""
    program = nic.program(built("md_receiver"), to, PORT, len(messages), path(file))
    ready(program)
    warm(nic)
    before = nic.seen(), nic.moved()
    send_all(nic, messages, to=to)
    got = said(program.end())
    equal([r[0] for r in records(file)], messages, f"{file}: messages")
    nic.offloaded(before, len(messages))
    return got


def unicast():
    equal(receive(sizes(MESSAGES, 64, 200, 4, 1472), HOST_IP, "unicast"), [MESSAGES, MESSAGES, 0, 0],
          "messages, pieces, copies, gaps")


def multicast():
    nic.peer.ip("route", "add", GROUP, "dev", "wire0")
    nic.host.ip("route", "add", GROUP, "dev", "nic0")
    equal(receive(sizes(MESSAGES, 64, 1000), GROUP, "multicast"), [MESSAGES, MESSAGES, 0, 0],
          "messages, pieces, copies, gaps")


def fragments():
    """
    On this NIC no rule takes fragments: the kernel puts them together, and the same call copies. So
    the two kinds may pass each other.
    """
    n = 400
    messages = sizes(n, 3000, 64, 20000, 1472)
    program = nic.program(built("md_receiver"), HOST_IP, PORT, n, path("fragments"))
    ready(program)
    warm(nic)
    send_all(nic, messages, pause=2, follow="fragments")
    got = said(program.end())
    equal(got[:3], [n, n, n // 2], "messages, pieces, copies")
    equal(sorted(r[0] for r in records("fragments")), sorted(messages), "messages")


def kernel():
    """The same binary where no library answers."""
    n = 500
    messages = sizes(n, 64, 500)
    program = Program(nic.peer, [built("md_receiver"), PEER_IP, PORT, n, path("kernel")], small())
    ready(program, "kernel")
    send_all(nic, messages, to=PEER_IP)
    equal(said(program.end()), [n, n, n, 0], "messages, pieces, copies, gaps")
    equal([r[0] for r in records("kernel")], messages, "messages")


main(setup, unicast, multicast, fragments, kernel)
