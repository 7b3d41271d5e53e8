#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Sends with MSG_ZEROCOPY: from registered memory over the software ConnectX, with and without the
device's segmentation, with packets lost and out of order, and over a memif, whose driver needs no
registration. Every byte arrives though each buffer is written anew as soon as it may be; every send is
told of, in order, and was copied where the memory is unknown to the device. The same program over the
kernel's own sockets is the reference for the error queue.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
from lab import PEER_IP, Space, check, equal, main, small
from proglab import Memif, Nic, Program

PROGRAM = os.path.abspath(sys.argv.pop(1))
PORT, HEAD = 7400, 100
FAULTS = "seed:7,tx.drop@rate:0.01,tx.reorder@rate:0.02"


def ends(sink, source, calls, size, copied):
    said = source.end()
    sent = re.search(r"DONE (\d+) bytes, (\d+) copied", said)
    check(sent, said)
    equal(int(sent[1]), calls * (HEAD + size), "bytes sent")
    equal(int(sent[2]), copied, f"copied of {calls} sends")
    check(f"DONE {sent[1]}" in sink.end(), "bytes received")
    print(f"   {said.strip().splitlines()[-1]}", flush=True)


def over_nic(calls, size, how, copied, **env):
    nic = Nic()
    sink = nic.kernel(PROGRAM, "sink", PEER_IP, PORT)
    sink.says("READY")
    source = nic.program(PROGRAM, "send", PEER_IP, PORT, calls, size, how, **env)
    ends(sink, source, calls, size, copied)


def mlx5():
    over_nic(60, 300000, "registered", 0)


def mlx5_no_tso():
    over_nic(30, 100000, "registered", 0, VMA_TSO="0")


def mlx5_one():
    """Nothing follows the only send that would make the driver look for what the device has sent."""
    for size in (10240, 20000):
        over_nic(1, size, "registered", 0)


def mlx5_faults():
    for tso in "01":
        over_nic(40, 60000, "registered", 0, VMA_TSO=tso, CONNECTX_FAULTS=FAULTS)


def mlx5_unknown():
    over_nic(10, 50000, "plain", 10)


def mlx5_small():
    over_nic(10, 5000, "registered", 10)


def memif():
    wire = Memif("zerocopy")
    sink = wire.server(PROGRAM, "sink", Memif.ADDR["server"], PORT)
    sink.says("READY")
    source = wire.program("client", PROGRAM, "send", Memif.ADDR["server"], PORT, 60, 300000, "plain")
    ends(sink, source, 60, 300000, 0)


def kernel():
    space = Space()
    space.ip("link", "set", "lo", "up")
    sink = Program(space, [PROGRAM, "sink", "127.0.0.1", PORT], small())
    sink.says("READY")
    source = Program(space, [PROGRAM, "send", "127.0.0.1", PORT, 60, 100000, "plain"], small())
    ends(sink, source, 60, 100000, 60)  # as to oneself Linux copies


main(mlx5, mlx5_no_tso, mlx5_one, mlx5_faults, mlx5_unknown, mlx5_small, memif, kernel)
