# SPDX-License-Identifier: BSD-3-Clause
"""
What the tests of programs written for the extra API share: the built programs, a kernel's sender at
the other end of the software ConnectX's wire, and messages with numbers.
"""
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../stack"))
import lab
from lab import HOST_IP, PEER_IP, equal, pattern, wait_for

PORT = 5000
READY = r"ready (\w+)"


def built(name):
    return os.environ["EXTRA_" + name.upper()]


def path(name):
    return os.path.join(lab.scratch, name)


def message(number, size):
    return struct.pack("!I", number) + pattern(max(0, size - 4), number)


def ready(program, who="vma"):
    """It has its sockets, and says who answers for them."""
    equal(program.says(READY)[1], who, f"{program.name}: who answers")


def warm(nic):
    """The peer knows the way: nothing waits for ARP."""
    nic.peer.run("ping", "-c", "1", "-W", "5", HOST_IP)


def send_all(nic, messages, port=PORT, to=HOST_IP, pause=20, follow=None):
    """
    Kernel's datagrams, a few at a time: what a slow machine loses would be no fault.
    follow: the receiver's file; no more are sent before it has those that were.
    """
    sent = 0
    with nic.peer.udp(PEER_IP) as s:
        for i, data in enumerate(messages):
            s.sendto(data, (to, port))
            sent += len(data)
            if i % pause != pause - 1:
                continue
            if follow is None:
                time.sleep(0.002)
            else:
                wait_for(lambda sent=sent: os.path.getsize(path(follow)) >= sent, "the receiver")


def records(name, head="I"):
    """(head..., bytes) of a file in which a header that ends with a length is before each."""
    with open(path(name), "rb") as f:
        data = f.read()
    got, at, size = [], 0, struct.calcsize(head)
    while at < len(data):
        fields = struct.unpack_from(head, data, at)
        at += size
        got.append((*fields[:-1], data[at:at + fields[-1]]))
        at += fields[-1]
    return got

