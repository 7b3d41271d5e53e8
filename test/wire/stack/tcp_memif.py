#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
TCP with the stack at both ends: over a memif, with no kernel and no offload, and over the cable
between two software ConnectX, with flow rules, checksums and segmentation. The cases of tcplab, then
dpvma-testpmd's modes, every byte checked.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
import tcplab
import wires
from lab import Agent, check, equal, main
from wires import HERE, THERE, Cable, Memif

SECONDS = 2
MANY = 100
TSO_MEAN = 4 # segments of a packet, at least; what 32 KB a call make are 23


def agent(wire, addr):
    space, eal, env = wire.at(addr)
    return Agent(space, eal, **env).init()


def cases(wire):
    b = tcplab.Bench(agent(wire, HERE), HERE, agent(wire, THERE), THERE)
    for one, addr in ((b.ours, HERE), (b.theirs, THERE)):
        one.socket(addr, 1)  # a port without a ring answers nobody
    for case in tcplab.ANY:
        if case is tcplab.many:
            case(b, MANY)
        else:
            case(b)
        print(f"   {case.__name__}", flush=True)
    for one in (b.ours, b.theirs):
        for name in ("drop_tcp", "drop_ip_checksum", "drop_short"):
            equal(one.counter(name), 0, name)
        one.end()


def pair(wire, mode, *options, active=()):
    """dpvma-testpmd at both ends, every byte checked; (passive's, active's result)."""
    results = wires.pair(wire, mode, "--check", *options, active=active, seconds=SECONDS)
    for result in results:
        check(result["modes"][0]["packets"] > 100, f"{mode}: {result['modes'][0]}")
    return results


def segmented(wire, sender):
    """Who sends in bulk has the device cut large packets, where it can and may."""
    packets, segs = (sum(ring["counters"][name] for ring in sender["counters"]["rings"])
                     for name in ("tx_tso", "tx_tso_segs"))
    if not wire.tso:
        equal((packets, segs), (0, 0), "packets for the device to cut")
        return ""
    check(packets > 100 and segs / packets > TSO_MEAN, f"{segs} segments of {packets} packets")
    return f", {segs / packets:.1f} segments a packet"


def streams(wire):
    for n, reverse in ((1, False), (1, True), (20, False)):
        waits, goes = pair(wire, "stream", "--size=32768", *(["--reverse"] if reverse else []),
                           active=[f"--sockets={n}"])
        text = f"{n} connections, reverse {reverse}"
        tso = segmented(wire, waits if reverse else goes)
        waits, goes = waits["modes"][0], goes["modes"][0]
        equal((waits["connections"], goes["connections"]), (n, n), text)
        if not reverse: # else who receives leaves with data on the way
            equal(waits["bytes"], goes["bytes"], f"{text}: received and sent")
        print(f"   stream, {text}: {goes['gbit_per_second']:.2f} Gbit/s{tso}", flush=True)


def questions(wire):
    for n, size in ((1, 1), (1, 64), (20, 200), (5, 50000)):
        waits, goes = pair(wire, "rr", f"--size={size}", active=[f"--sockets={n}"])
        trip = goes["round_trip_us"]
        waits, goes = waits["modes"][0], goes["modes"][0]
        check(0 <= waits["packets"] - goes["packets"] <= n, f"{waits['packets']} questions, "
              f"{goes['packets']} answers")
        check(0 < trip["min"] <= trip["p50"] <= trip["p90"] <= trip["p99"] <= trip["p99.9"] <=
              trip["max"], f"percentiles {trip}")
        print(f"   rr, {n} connections of {size} bytes: {goes['packets_per_second']:.0f}/s, "
              f"median {trip['p50']:.1f} us", flush=True)


def memif_cases():
    cases(Memif("cases"))


def memif_streams():
    streams(Memif("streams"))


def memif_questions():
    questions(Memif("questions"))


def cable_cases():
    cases(Cable("cases"))


def cable_streams():
    streams(Cable("streams"))


def cable_streams_no_tso():
    streams(Cable("streams0", tso=False))


def cable_questions():
    questions(Cable("questions"))


main(memif_cases, memif_streams, memif_questions, cable_cases, cable_streams,
     cable_streams_no_tso, cable_questions)
