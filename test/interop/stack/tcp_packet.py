#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
TCP between the stack and another host's kernel over af_packet on a veth, where the stack's own
kernel sees a copy of every segment, knows of no connection, and must not reset it.
"""
import functools
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tcplab
from lab import Agent, Space, equal, main, trace

IP, PEER = "10.95.0.2", "10.95.0.1"
host = peer = bench = None


def setup():
    global host, peer, bench
    host, peer = Space(), Space()
    host.ip("link", "add", "d0", "type", "veth", "peer", "name", "d1", "netns", peer.path)
    for space, device, addr in ((host, "d0", IP), (peer, "d1", PEER)):
        space.ip("link", "set", device, "up")
        space.ip("addr", "add", f"{addr}/24", "dev", device)
        # the driver of af_packet takes whole frames of 2 kB, with their checksums
        space.run("ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off",
                  ok=False)
    ours = Agent(host, "-l 0 --no-pci --vdev=net_af_packet0,iface=d0", DPVMA_QUEUES="1",
                 VMA_RX_BUFS=16384, VMA_TCP_TIMESTAMP_OPTION=1).init()
    bench = tcplab.Bench(ours, IP, Agent(peer, None), PEER, peer, "d1")


def on_bench(case):
    @functools.wraps(case)
    def test():
        case(bench)
    return test


def last():
    bench.theirs.end()
    bench.ours.end()
    equal(trace(bench.ours.pid), [], "left behind")


main(setup, *(on_bench(case) for case in tcplab.ANY), last)
