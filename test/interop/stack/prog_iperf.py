#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
iperf3 as Debian has it, preloaded over the software ConnectX, as server and as client of the kernel's:
TCP in both directions, one connection and several, and UDP at a rate that the model carries.
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import HOST_IP, PEER_IP, check, main
from proglab import Nic, need

PORT, SECONDS = 5201, 2
nic = None


def setup():
    global nic
    need("iperf3")
    nic = Nic()


def result(out, what):
    got = json.loads(out[out.index("{"):])
    check("error" not in got, f"{what}: {got.get('error')}")
    return got["end"]


def tcp_result(out, what):
    end = result(out, what)
    sent, received = end["sum_sent"]["bytes"], end["sum_received"]["bytes"]
    check(received > 1 << 20, f"{what}: {received} bytes received")
    # what was on its way when the time was over
    check(received <= sent + (1 << 20), f"{what}: {sent} sent, {received} received")
    return received


def udp_result(run, what, packets):
    before = nic.overflowed()
    got = result(run(), what)["sum"]
    check(got["packets"] >= packets, f"{what}: {got['packets']} packets")
    # the kernel's iperf3 may wait for its processor longer than its socket has room
    check(got["lost_packets"] <= nic.overflowed() - before, f"{what}: {got['lost_packets']} lost")


def both(run, where):
    """run(options): the client's output as JSON."""
    for name, options in (("tcp", []), ("tcp reverse", ["-R"]), ("tcp, 4 at once", ["-P", 4]),
                          ("tcp, 4 reverse", ["-P", 4, "-R"])):
        tcp_result(run(options), f"{where}: {name}")
    for name, options in (("udp", []), ("udp reverse", ["-R"])):
        udp_result(lambda options=options: run(["-u", "-b", "20M", "-l", 1200, *options]),
                   f"{where}: {name}", 1000)


def server():
    s = nic.program("iperf3", "-s", "-B", HOST_IP, "-p", PORT, "--forceflush")
    s.says("listening")
    before = nic.seen(), nic.moved()
    both(lambda options: nic.kernel("iperf3", "-c", HOST_IP, "-p", PORT, "-t", SECONDS, "-J",
                                    *options).end(), "server")
    nic.offloaded(before, 5000)
    s.stop(codes=(0, 1, -15))


def client():
    s = nic.kernel("iperf3", "-s", "-B", PEER_IP, "-p", PORT, "--forceflush")
    s.says("listening")
    before = nic.seen(), nic.moved()
    both(lambda options: nic.program("iperf3", "-c", PEER_IP, "-p", PORT, "-t", SECONDS, "-J",
                                     *options).end(), "client")
    nic.offloaded(before, 5000)
    s.stop(codes=(0, 1, -15))


main(setup, server, client)
