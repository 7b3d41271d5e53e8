#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Unmodified programs with dpvma preloaded at both ends of a memif: no kernel carries a packet, and no
device checks or cuts one. sockperf, iperf3, redis and Python's asyncio, which compares bytes.
"""
import json
import os
import re
import sys

STACK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack")
sys.path.insert(0, STACK)
from lab import check, equal, main
from proglab import Memif, need

SERVER = Memif.ADDR["server"]
PORT, SECONDS = 7200, 1


def setup():
    need("sockperf", "iperf3", "redis-server", "redis-benchmark")


def sockperf():
    for proto in ([], ["--tcp"]):
        wire = Memif("sockperf" + "".join(proto))
        s = wire.server("sockperf", "server", "-i", SERVER, "-p", PORT, *proto)
        out = wire.program("client", "sockperf", "ping-pong", "-i", SERVER, "-p", PORT, "-t",
                           SECONDS, *proto).end()
        m = re.search(r"SentMessages=(\d+); ReceivedMessages=(\d+)", out)
        check(m and int(m[1]) > 1000 and int(m[1]) - int(m[2]) <= 1, out)
        m = re.search(r"# dropped messages = (\d+); # duplicated messages = (\d+); "
                      r"# out-of-order messages = (\d+)", out)
        equal([int(x) for x in m.groups()], [0, 0, 0], "dropped, duplicated, out of order")
        s.stop(codes=(0, -15, 130, 143))


def iperf():
    wire = Memif("iperf")
    # the server goes on from one client to the next, the clients are processes of their own
    s = wire.server("iperf3", "-s", "-B", SERVER, "--forceflush")
    s.says("listening")
    for options in ([], ["-R"], ["-P", 3]):
        out = wire.program("client", "iperf3", "-c", SERVER, "-t", SECONDS, "-J", *options).end()
        end = json.loads(out[out.index("{"):])["end"]
        check(end["sum_received"]["bytes"] > 10 << 20, f"{options}: {end['sum_received']}")
    s.stop(codes=(0, 1, -15))


def redis():
    wire = Memif("redis")
    s = wire.server("redis-server", "--bind", SERVER, "--save", "", "--appendonly", "no",
                    "--protected-mode", "no")
    s.says("Ready to accept")
    for pipeline in (1, 16):
        out = wire.program("client", "redis-benchmark", "-h", SERVER, "-t", "set,get", "-n",
                           30000, "-P", pipeline, "-q").end()
        check(out.count("requests per second") >= 2 and "rror" not in out, out)
    s.stop(codes=(0, -15))


def asyncio():
    file = os.path.join(STACK, "prog_python.py")
    wire = Memif("asyncio")
    s = wire.server(sys.executable, "-B", file, "serve", SERVER, "EpollSelector")
    s.says("READY")
    for selector in ("EpollSelector", "PollSelector", "SelectSelector"):
        out = wire.program("client", sys.executable, "-B", file, "ask", SERVER, selector).end()
        check("DONE" in out, out)
    s.stop()


main(setup, sockperf, iperf, redis, asyncio)
