#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
A port that spreads by its hash, the software ConnectX without rules: connections opened by several
threads, each with a ring of its own, to another host's kernel. Numbers are chosen so that answers arrive
at the ring of their connection; numbers that the program names bring them to others, which hand over.
"""
import json
import os
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
from lab import (PEER_IP, PROGRAMS, Mlx5Wire, check, equal, main, memory, small, wait_for)

PROGRAM = os.path.abspath(sys.argv.pop(1))
PORT = 7777
THREADS = 4
EACH = 12
wire = None


def echo_tcp(conn):
    with conn:
        while data := conn.recv(65536):
            conn.sendall(data)


def serve_tcp(listener):
    while True:
        try:
            conn = listener.accept()[0]
        except OSError:
            return
        threading.Thread(target=echo_tcp, args=(conn,), daemon=True).start()


def serve_udp(sock):
    while True:
        try:
            sock.sendto(*sock.recvfrom(65536))
        except TimeoutError:
            continue
        except OSError:
            return


def setup():
    global wire
    wire = Mlx5Wire()
    with wire.peer:
        listener = socket.create_server(("0.0.0.0", PORT), backlog=64)
    udp = wire.peer.udp("0.0.0.0", PORT)
    for target, sock in ((serve_tcp, listener), (serve_udp, udp)):
        threading.Thread(target=target, args=(sock,), daemon=True).start()


def run(proto, how, **env):
    """The counters of all rings, summed: with the rings, with the connections, with a ring more."""
    env = small(DPVMA_EAL_ARGS=f"-a 0000:03:00.0,mprq_en=0 -l 0 --no-telemetry {memory(320)}",
                LD_PRELOAD=PROGRAMS["connectx"], CONNECTX_NETDEV="nic0", CONNECTX_WIRE="tap:wire0",
                DPVMA_QUEUES=8, VMA_RX_WRE=1024, VMA_RX_BUFS=16384,
                VMA_RING_ALLOCATION_LOGIC_RX=20, VMA_RING_ALLOCATION_LOGIC_TX=20,
                **{"DPVMA_STEERING": "rss", **env})
    p = wire.host.start([PROGRAM, PEER_IP, str(PORT), proto, how], env=env,
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: p.poll() is not None or "wire0" in wire.host.ip("link", "show"), "a wire")
    if p.poll() is None:
        wire.plug()
    out, said = p.communicate(timeout=60)
    equal(p.returncode, 0, f"{proto}, {how}: exit code\n{said}")
    dumps = [json.loads(line)["rings"] for line in out.splitlines()]
    equal(len(dumps), 3, "dumps")
    equal([len(rings) for rings in dumps], [THREADS, THREADS, THREADS + 1], "rings")
    return dumps


def total(rings, name):
    return sum(r["counters"].get(name, 0) for r in rings)


def grew(dumps, name, since=0):
    return total(dumps[since + 1], name) - total(dumps[since], name)


def chosen(proto):
    dumps = run(proto, "choose")
    what = f"{proto}, numbers chosen"
    equal(grew(dumps, "handover_in"), 0, f"{what}: handed over")
    equal(grew(dumps, "source_port_misses"), 0, f"{what}: misses")
    for before, after in zip(*dumps[:2]):
        got = after["counters"]["rx_packets"] - before["counters"].get("rx_packets", 0)
        check(got >= EACH, f"{what}: {got} packets at queue {after['queue']}")
    equal(total(dumps[2], "handover_full"), 0, f"{what}: dropped")


def fixed(proto):
    dumps = run(proto, "fixed")
    what = f"{proto}, numbers as named"
    check(grew(dumps, "handover_in") > EACH, f"{what}: nothing handed over")
    if proto == "udp":
        return
    misses = grew(dumps, "source_port_misses")
    # three of four on the average
    check(THREADS * EACH // 2 < misses <= THREADS * EACH, f"{what}: {misses} misses")


def tcp():
    chosen("tcp")
    fixed("tcp")


def udp():
    chosen("udp")
    fixed("udp")


def rules_need_none():
    """With rules numbers are anybody's, and nothing is handed over."""
    dumps = run("tcp", "fixed", DPVMA_STEERING="rules")
    equal(grew(dumps, "handover_in"), 0, "rules: handed over")
    equal(total(dumps[2], "source_port_misses"), 0, "rules: misses")


main(setup, tcp, udp, rules_need_none)
