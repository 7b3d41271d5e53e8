#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Threads with a ring each share no lock of the data path: a server of two threads, each with a listener
(SO_REUSEPORT) on a ring of its own, over which the device spreads connections (RSS), and a client of
two, over the cable between two software ConnectX. The counters of waits say so at both ends; with one
ring for both threads they count.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
import lab
from lab import Testpmd, check, equal, main
from wires import HERE, THERE, Cable

RING = ("rx_lock_waits", "rx_lock_busy", "tx_lock_waits")
SECONDS = 1
# There are more threads than cores here, and the internal thread helps one that had none for 10 ms:
# they may meet when that one is back. Threads that share a lock meet tens of thousands of times.
HELPED, SHARED = 20, 1000


def met(result):
    """How often threads met at a lock while they ran, by counter, and the rings that had traffic."""
    def total(when, kind, name):
        return sum(one["counters"][name] for one in result["run"][when][kind])

    waits = {name: total("after", "rings", name) - total("before", "rings", name) for name in RING}
    waits["engine_waits"] = (total("after", "tcp", "engine_waits") -
                             total("before", "tcp", "engine_waits"))
    rings = [r["counters"] for r in result["counters"]["rings"]]
    return waits, sum(r["rx_packets"] > 40 for r in rings)


def run(wire, mode, size, logic):
    def begin(addr, *options, **more):
        space, eal, env = wire.at(addr)
        return Testpmd(space, re.sub(r"-l \S+", "-l 0,1", eal), f"--mode={mode}", "--check",
                       f"--size={size}", *options, ready=False, **{**env, **more})

    # rules for what was accepted come by the internal thread, some milliseconds into the run
    rings = dict(DPVMA_QUEUES=3, VMA_RING_ALLOCATION_LOGIC_RX=logic,
                 VMA_RING_ALLOCATION_LOGIC_TX=logic, VMA_TCP_3T_RULES=1)
    waits = begin(HERE, "--duration=60", "--linger=20", "--threads=2", **rings)
    lab.wait_for(lambda: "READY" in waits.said(), "READY")
    goes = begin(THERE, f"--peer={HERE}", f"--duration={SECONDS}", "--threads=2", "--sockets=32",
                 **rings)
    results = goes.result(), waits.result()
    for end in results:
        equal((end["modes"][0]["bad_payload"], end["modes"][0]["failed"]), (0, 0), "bytes")
        check(all(t["packets"] > 20 for t in end["threads"]), f"{end['threads']}")
    return [met(end) for end in results]


def rings_of_their_own():
    wire = Cable("own")
    for mode, size in (("rr", 64), ("stream", 16384)):
        for waits, rings in run(wire, mode, size, 20):
            print(f"   {mode}: {waits}, {rings} rings", flush=True)
            equal(rings, 2, f"{mode}: rings with traffic")
            check(max(waits.values()) <= HELPED, f"{mode}: {waits}")


def one_ring():
    wire = Cable("one")
    for waits, rings in run(wire, "rr", 64, 0):
        print(f"   rr: {waits}, {rings} rings", flush=True)
        equal(rings, 1, "rings with traffic")
        check(sum(waits.values()) > SHARED, f"two threads on one ring: {waits}")


main(rings_of_their_own, one_ring)
