#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
What dpvma-testpmd measures TCP by: each mode over a memif and, with the same loops, on the kernel's
sockets over a veth; the bare PMD on the memif. Both ends count the same, and every byte is checked.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
from lab import check, equal, main
from wires import Memif, Veth, pair

SIZE = 64
MANY = 300
FRAME = 1458
# who leaves takes the memif away, and the other end polls it for a second more
STAY = ["--linger=4"]


def sane(result, kernel):
    """Figures of one end that must fit each other."""
    one = result["modes"][0]
    check(one["packets"] > 2 and 0 < one["seconds"] < 30, f"{one}")
    check(one["cycles_per_packet"] > 0, "cost of a packet")
    if one["bytes"]:
        ratio = one["cycles_per_byte"] * one["bytes"] / (one["cycles_per_packet"] * one["packets"])
        check(0.98 < ratio < 1.02, f"cycles by bytes and by packets: {ratio}")
    # work and idle time are no longer than the run
    threads = result["threads"]
    for t in threads:
        check(t["cycles"] <= (t["seconds"] + 4) * result["tsc_hz"], f"busy {t}")
    for name in ("packets", "bytes", "failed"):
        equal(sum(t[name] for t in threads), one[name], f"{name} of all threads")
    equal(sum(t["connections"] for t in threads), one["connections"], "connections")
    equal(result["kernel"], kernel, "whose sockets")
    equal("counters" in result, not kernel, "counters of dpvma")
    check(result["memory"]["after"] > 1 << 20, f"memory {result['memory']}")


def modes(wire, kernel):
    def run(mode, *options, **more):
        waits, goes = pair(wire, mode, "--check", *options, **more)
        for result in waits, goes:
            sane(result, kernel)
        return waits, goes

    waits, goes = run("stream", "--size=20000", active=["--sockets=3"])
    equal(waits["modes"][0]["bytes"], goes["modes"][0]["bytes"], "stream: received and sent")
    ways = (1, "poll", "poll", 0), (9, "epoll", "poll", 0), (5, "poll", "epoll", 0), (MANY, "", "", 99)
    for n, wait, passive, idle in ways if kernel else ways[::3]:
        waits, goes = run("rr", f"--size={SIZE}",
                          passive=[f"--wait={passive}"] if passive else [],
                          active=[f"--sockets={n}", f"--idle-connections={idle}"] +
                          ([f"--wait={wait}"] if wait else []))
        served, asked = waits["modes"][0], goes["modes"][0]
        check(0 <= served["packets"] - asked["packets"] <= n, f"rr, {n}: {served} {asked}")
        equal((served["connections"], asked["connections"]), (n + idle, n + idle), "connections")
        # each question is as long as its answer; the last ones may be on the way
        check(0 <= served["bytes"] - 2 * SIZE * served["packets"] <= 2 * SIZE * n, f"{served}")
    run("rr", "--size=50000", active=["--sockets=12"])
    waits, goes = run("rr", f"--size={SIZE}", "--threads=2", "--ports=3", active=["--sockets=21"])
    equal([t["connections"] for t in goes["threads"]], [11, 10], "shares of the threads")
    for close in ("server", "client", "reset"):
        connects(run("connect", f"--size={SIZE}", f"--close={close}", "--ports=4",
                     active=["--sockets=7"]), SIZE)
    # a reset that comes before accept() is no connection for the server
    for close in ("server", "client"):
        connects(run("connect", "--no-request", f"--close={close}", "--ports=4",
                     passive=["--idle=1"], active=["--sockets=7"] + ([] if kernel else STAY)), 0)


def connects(results, size):
    for one in (r["modes"][0] for r in results):
        equal(one["bytes"], 2 * size * one["packets"], "question and answer of each")
        equal(one["connections"], one["packets"], "each was opened and came to its end")
    equal(results[0]["modes"][0]["packets"], results[1]["modes"][0]["packets"], "both ends")


class Stamped(Memif):
    """
    With timestamps, which tell a new connection from the one in TIME-WAIT that had its numbers a
    moment ago: sequence numbers begin by a clock of 4 us, and a question is longer than that.
    """

    def at(self, addr):
        space, eal, env = super().at(addr)
        return space, eal, {**env, "VMA_TCP_TIMESTAMP_OPTION": "1"}


def memif():
    modes(Stamped("modes"), False)


def kernel():
    modes(Veth("modes"), True)


def bare():
    """The same wire without a stack."""
    wire = Memif("bare")
    waits, goes = pair(wire, "rxonly", "--check", f"--size={FRAME}", passive=["--idle=1"],
                       active=STAY, other="txonly")
    got, sent = waits["modes"][0], goes["modes"][0]
    # the few more asked for the address
    more = got["packets"] - sent["packets"]
    check(0 <= more < 20, f"frames: {got} {sent}")
    equal(got["bytes"], sent["bytes"] + more * 42, "bytes of frames")
    equal((got["lost"], got["wrong"]), (0, 0), "frames in order")
    equal(sent["bytes"], sent["packets"] * (FRAME + 42), "bytes of frames")
    check(sent["packets"] > 1000, "frames")
    waits, goes = pair(wire, "trip", f"--size={SIZE}", passive=["--idle=1"], active=STAY)
    back, there = waits["modes"][0], goes["modes"][0]
    check(there["packets"] > 100, "round trips")
    check(0 <= back["packets"] - there["packets"] <= 100, f"given back and got: {back} {there}")
    trip = goes["round_trip_us"]
    check(0 < trip["min"] <= trip["p50"] <= trip["max"], f"{trip}")


main(memif, kernel, bare)
