#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
TCP between the stack on mlx5 (the software ConnectX, its wire a TAP) and another host's kernel,
with the device's checksums and segmentation; then over a wire that loses, doubles, reorders and
damages frames.
"""
import functools
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tcplab
from lab import HOST_IP, PEER_IP, Agent, Mlx5Wire, check, equal, main, trace

bench = wire = None

# what the wire does, and what of it our side counts at least
FAULTS = {
    "loss": ("drop@rate:0.01", {"tcp": ("retransmits", "ooo_in")}),
    "bursts of loss": (",".join(f"drop@packet:{500 + i}/1000" for i in range(8)),
                       {"tcp": ("retransmits", "ooo_in")}),
    "duplicates": ("dup@rate:0.05", {"tcp": ("drop_old",)}),
    "reordering": ("reorder=5@rate:0.02", {"tcp": ("ooo_in",)}),
    "damage": ("corrupt@rate:0.005", {"tcp": ("retransmits",), "rings": ("drop_tcp",)}),
    "everything": ("drop@rate:0.02,dup@rate:0.02,reorder=4@rate:0.02,corrupt@rate:0.002",
                   {"tcp": ("retransmits", "ooo_in", "drop_old")}),
}


def setup(**env):
    global bench, wire
    wire = Mlx5Wire()
    agent = wire.agent(VMA_TCP_TIMESTAMP_OPTION=1, **env)
    bench = tcplab.Bench(agent, HOST_IP, Agent(wire.peer, None), PEER_IP, wire.peer, "wire0")


def on_bench(case):
    @functools.wraps(case)
    def test():
        case(bench)
    return test


def segmented():
    """The device cut large packets."""
    sent = bench.ours.counter("tx_packets")
    size = 20 * tcplab.MB
    ours, theirs = bench.pair("ours")
    tcplab.move([tcplab.Flow(bench.ours, ours, bench.theirs, theirs, size, 16)])
    tcplab.orderly(bench, ours, theirs)
    sent = bench.ours.counter("tx_packets") - sent
    check(sent < size // 1460 // 2, f"{sent} packets for {size} bytes")


def end():
    global bench
    bench.theirs.end()
    bench.ours.end()
    equal(trace(bench.ours.pid), [], "left behind")
    bench = None


def faults():
    """Every byte arrives over every bad wire, with SACK and without."""
    for name, (script, counted) in FAULTS.items():
        setup(CONNECTX_FAULTS="seed:7," + script)
        for sack, timestamps in ((1, 1), (0, 1), (1, 0)):
            bench.where.sysctl("net.ipv4.tcp_sack", sack)
            bench.where.sysctl("net.ipv4.tcp_timestamps", timestamps)
            for active in ("ours", "theirs"):
                took, _ = tcplab.exchange(bench, active, 4 * tcplab.MB, 60)
                print(f"   {name}, SACK {sack}, timestamps {timestamps}, opened by {active}: "
                      f"{took:.1f} s", flush=True)
        for kind, names in counted.items():
            for counter in names:
                check(bench.ours.counter(counter, kind) > 0, f"{name}: no {counter}")
        end()


def bad_life():
    """Connections begin and end on a bad wire, too. (A RST that is lost is sent by nobody again.)"""
    setup(CONNECTX_FAULTS="seed:8,drop@rate:0.03,dup@rate:0.03,reorder=4@rate:0.03")
    tcplab.half_close(bench)
    tcplab.last_words(bench)
    tcplab.small_writes(bench)
    tcplab.many(bench, 40)
    end()


def few_buffers():
    """
    A byte in each, unacknowledged data have them all, and as many fit into the device's queue: what
    has to be sent again, and acknowledgements, find some yet.
    """
    setup(CONNECTX_FAULTS="seed:9,drop@rate:0.03,dup@rate:0.03,reorder=4@rate:0.03",
          VMA_TX_BUFS=1024)
    tcplab.small_writes(bench)
    tcplab.small_writes(bench)
    end()


main(setup, *(on_bench(case) for case in tcplab.ALL), segmented, end, faults, bad_life,
     few_buffers)
