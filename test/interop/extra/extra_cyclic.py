#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
A reader of cyclic buffers written for libvma, preloaded: two feeds on one ring by their user id, as
frames, and one on a ring that nobody shares, as payloads, from a kernel's sender over the software
ConnectX, compared byte by byte.
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from extralab import PORT, built, message, path, ready, warm
from lab import HOST_IP, PEER_IP, check, equal, main
from proglab import Nic

MESSAGES = 3000
nic = None


def setup():
    global nic
    nic = Nic()


def feeds(size):
    file = f"feed-{size}"
    program = nic.program(built("cyclic_feed"), HOST_IP, PORT, size, MESSAGES, path(file),
                          DPVMA_QUEUES=3, VMA_RX_WRE=256, DPVMA_MPRQ_STRIDES=128)
    ready(program)
    warm(nic)
    before = nic.seen(), nic.moved()
    with nic.peer.udp(PEER_IP) as s:
        for i in range(MESSAGES):
            for feed in range(3):
                s.sendto(message(i * 3 + feed, size), (HOST_IP, PORT + feed))
            if i % 10 == 9:
                time.sleep(0.002)
    m = re.search(r"got (\d+) (\d+) (\d+) odd (\d+)", program.end())
    check(m, "what it says at the end")
    equal([int(x) for x in m.groups()], [MESSAGES] * 3 + [0], "messages, oddities")
    for feed in range(3):
        with open(path(f"{file}.{feed}"), "rb") as f:
            data = f.read()
        equal(data, b"".join(message(i * 3 + feed, size) for i in range(MESSAGES)), f"feed {feed}")
    nic.offloaded(before, 3 * MESSAGES)


def small_messages():
    feeds(64)


def large_messages():
    feeds(1400)


main(setup, small_messages, large_messages)
