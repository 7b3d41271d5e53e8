#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
TCP between the stack and the kernel over net_tap: the kernel is the other end of the wire, and
nobody but the stack answers for its address.
"""
import functools
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tcplab
from lab import Agent, Tap, check, equal, main, trace

bench = None


def setup():
    global bench
    tap = Tap(VMA_RX_BUFS=16384, VMA_TCP_TIMESTAMP_OPTION=1)
    tap.agent.socket(tap.IP, 1)  # a port without a ring answers nobody
    bench = tcplab.Bench(tap.agent, tap.IP, Agent(tap.space, None), tap.PEER_IP, tap.space, "dtap0")


def on_bench(case):
    @functools.wraps(case)
    def test():
        case(bench)
    return test


def answered():
    """The refusals were ours."""
    before = bench.ours.counter("resets_out")
    tcplab.refused(bench)
    check(bench.ours.counter("resets_out") - before >= 3, "resets of the stack")


def last():
    bench.theirs.end()
    bench.ours.end()
    equal(trace(bench.ours.pid), [], "left behind")


main(setup, *(on_bench(case) for case in tcplab.ALL), answered, last)
