#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Threads with a ring each share no lock of the data path: two threads of dpvma-testpmd with their
connections over the cable between two software ConnectX, whose rules bring each connection to its
thread's ring. The counters of waits say so; with one ring for both threads they count.
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


def met(result):
    """How often threads met at a lock, by counter, and the rings that had traffic."""
    rings = [r["counters"] for r in result["counters"]["rings"]]
    engines = [e["counters"] for e in result["counters"]["tcp"]]
    waits = {name: sum(r[name] for r in rings) for name in RING}
    waits["engine_waits"] = sum(e["engine_waits"] for e in engines)
    return waits, sum(r["rx_packets"] > 40 for r in rings)


def run(wire, mode, size, logic):
    def begin(addr, *options, **more):
        space, eal, env = wire.at(addr)
        return Testpmd(space, re.sub(r"-l \S+", "-l 0,1", eal), f"--mode={mode}", "--check",
                       f"--size={size}", *options, ready=False, **{**env, **more})

    waits = begin(HERE, "--duration=60", "--linger=20")
    lab.wait_for(lambda: "READY" in waits.said(), "READY")
    goes = begin(THERE, f"--peer={HERE}", f"--duration={SECONDS}", "--threads=2", "--sockets=4",
                 DPVMA_QUEUES=3, VMA_PROGRESS_ENGINE_INTERVAL=0, VMA_RING_ALLOCATION_LOGIC_RX=logic,
                 VMA_RING_ALLOCATION_LOGIC_TX=logic)
    result = goes.result()
    waits.result()
    equal((result["modes"][0]["bad_payload"], result["modes"][0]["failed"]), (0, 0), "bytes")
    check(all(t["packets"] > 20 for t in result["threads"]), f"{result['threads']}")
    return met(result)


def rings_of_their_own():
    wire = Cable("own")
    for mode, size in (("rr", 64), ("stream", 16384)):
        waits, rings = run(wire, mode, size, 20)
        print(f"   {mode}: {waits}, {rings} rings", flush=True)
        equal(rings, 2, f"{mode}: rings with traffic")
        equal(set(waits.values()), {0}, f"{mode}: {waits}")


def one_ring():
    wire = Cable("one")
    waits, rings = run(wire, "rr", 64, 0)
    print(f"   rr: {waits}, {rings} rings", flush=True)
    equal(rings, 1, "rings with traffic")
    check(sum(waits.values()) > 0, f"two threads on one ring: {waits}")


main(rings_of_their_own, one_ring)
