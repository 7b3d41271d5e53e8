#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
sockperf as Debian has it, preloaded, as server and as client of sockperf on the kernel, over the
software ConnectX: UDP and TCP, by each way in which it can wait, and multicast. What it says about
lost, doubled and reordered messages counts, and that the kernel behind the port saw none of them.
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab
from lab import HOST_IP, PEER_IP, check, equal, main
from proglab import Nic, need

PORT, GROUP, SECONDS = 7100, "239.9.9.9", 1
WAYS = {"recvfrom": None, "select": "s", "poll": "p", "epoll": "e"}
nic = None


def setup():
    global nic
    need("sockperf")
    nic = Nic()


def feed(name, *lines):
    path = os.path.join(lab.scratch, name)
    with open(path, "w") as f:
        f.write("".join(line + "\n" for line in lines))
    return path


def at(way, proto, addr, sockets):
    """Arguments that name sockets, one by command line or several by a file."""
    if way is None:
        return ["-i", addr, "-p", PORT] + (["--tcp"] if proto == "T" else [])
    lines = [f"{proto}:{addr}:{PORT + i}" for i in range(sockets)]
    return ["-f", feed(f"feed-{proto}-{way}-{addr}", *lines), "-F", way]


def verdict(out, what, least=50):
    """What the client's summary says of messages."""
    m = re.search(r"Valid Duration.*?SentMessages=(\d+); ReceivedMessages=(\d+)", out)
    check(m, f"{what}: {out}")
    sent, received = int(m[1]), int(m[2])
    check(sent >= least and sent - received <= 1, f"{what}: {sent} sent, {received} received")
    m = re.search(r"# dropped messages = (\d+); # duplicated messages = (\d+); "
                  r"# out-of-order messages = (\d+)", out)
    check(m, f"{what}: {out}")
    equal([int(x) for x in m.groups()], [0, 0, 0], f"{what}: dropped, duplicated, out of order")
    return sent


def server(proto):
    for name, way in WAYS.items():
        s = nic.program("sockperf", "server", *at(way, proto, HOST_IP, 3))
        s.says("Warmup stage|using recvfrom|\\[tid \\d+\\]")
        before = nic.seen(), nic.moved()
        out = nic.kernel("sockperf", "ping-pong", *at(way, proto, HOST_IP, 3), "-t", SECONDS,
                         "--msg-size", 100).end()
        sent = verdict(out, f"server, {proto}, {name}")
        nic.offloaded(before, sent)
        s.stop(codes=(0, -15, 130, 143))


def server_udp():
    server("U")


def server_tcp():
    server("T")


def client(proto):
    s = nic.kernel("sockperf", "server", "-i", PEER_IP, "-p", PORT,
                   *(["--tcp"] if proto == "T" else []))
    s.says("using recvfrom|\\[tid \\d+\\]")
    for name, way in WAYS.items():
        # the stack starts within that time
        c = nic.program("sockperf", "ping-pong", *at(way, proto, PEER_IP, 1), "-t", 4,
                        "--msg-size", 100)
        verdict(c.end(), f"client, {proto}, {name}")
    s.stop()


def client_udp():
    client("U")


def client_tcp():
    client("T")


def multicast():
    nic.peer.ip("route", "add", GROUP, "dev", "wire0")
    nic.host.ip("route", "add", GROUP, "dev", "nic0")
    for name, way in (("recvfrom", None), ("epoll", "e")):
        s = nic.program("sockperf", "server", *at(way, "U", GROUP, 1), "--mc-rx-if", HOST_IP)
        s.says("using|\\[tid \\d+\\]")
        before = nic.seen(), nic.moved()
        out = nic.kernel("sockperf", "under-load", "-i", GROUP, "-p", PORT, "-t", SECONDS,
                         "--mps", 2000, "--reply-every", 1, "--mc-tx-if", PEER_IP).end()
        m = re.search(r"SentMessages=(\d+); ReceivedMessages=(\d+)", out)
        check(m and int(m[2]) > 500, f"multicast, {name}: {out}")
        nic.offloaded(before, 500)
        s.stop(codes=(0, -15, 130, 143))


main(setup, server_udp, server_tcp, client_udp, client_tcp, multicast)
