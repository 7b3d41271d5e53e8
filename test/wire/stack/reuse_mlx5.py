#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Sockets that share a number by SO_REUSEPORT, in threads with a ring each, on the software ConnectX: what
the device spreads over them, what software does where it refuses, and where the port spreads by itself;
a socket that is closed and one that is opened in mid-stream, and one that has a peer.
"""
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
from lab import (HOST_IP, PEER_IP, PROGRAMS, Agent, Mlx5Wire, check, equal, main, memory, pattern,
                 small, wait_for)

PROGRAM = os.path.abspath(sys.argv.pop(1))
EAL = "-a 0000:03:00.0,mprq_en=0 -l 0"
ENV = {"LD_PRELOAD": PROGRAMS["connectx"], "CONNECTX_NETDEV": "nic0", "CONNECTX_WIRE": "tap:wire0",
       "DPVMA_QUEUES": 8, "VMA_RX_WRE": 1024, "VMA_RX_BUFS": 16384}
PORT = 7778
THREADS = 4
FLOWS = 64
ROUNDS = 40  # of a phase, a datagram of each flow
PHASES = 4
# the peer's: far apart, as few bits of the port's key, which is random, decide over numbers in a row
NUMBERS = random.Random(7).sample(range(20000, 60000), FLOWS)
AHEAD = 8  # rounds that are on their way at most
wire = None


def setup():
    global wire
    wire = Mlx5Wire()


class Group:
    """The program, and the peer's sockets: one a flow."""

    def __init__(self, *more, **env):
        env = small(DPVMA_EAL_ARGS=f"{EAL} --no-telemetry {memory(320)}",
                    VMA_RING_ALLOCATION_LOGIC_RX=20, VMA_RING_ALLOCATION_LOGIC_TX=20, **ENV, **env)
        self.p = wire.host.start([PROGRAM, HOST_IP, str(PORT), str(FLOWS), str(ROUNDS * PHASES),
                                  *more], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 text=True)
        equal(self.p.stdout.readline(), "{}\n", "the program begins")
        wire.plug()
        for i in range(THREADS):
            self.ask("open", i)
        wire.warm()
        self.peers = [wire.peer.udp("0.0.0.0", number) for number in NUMBERS]
        self.rounds = 0

    def ask(self, *words):
        self.p.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.p.stdin.flush()
        line = self.p.stdout.readline()
        check(line != "", f"no answer to {words}: the program ended")
        return json.loads(line)

    def sent(self):
        return self.rounds * FLOWS

    def send(self, rounds=ROUNDS, lost=0):
        """Rounds of datagrams, so many of which may be lost, never far ahead of the readers."""
        for _ in range(rounds):
            for flow, sock in enumerate(self.peers):
                sock.sendto(struct.pack("!II", flow, self.rounds), (HOST_IP, PORT))
            self.rounds += 1
            wait_for(lambda: self.ask("count")["all"] >= self.sent() - AHEAD * FLOWS - lost,
                     "readers that keep up")

    def all_come(self, what, lost=0):
        got = wait_for(lambda: (c := self.ask("count"))["all"] >= self.sent() - lost and c,
                       f"{what}: all {self.sent()}")
        equal((got["twice"], got["strange"]), (0, 0), f"{what}: twice, strange")
        return got["threads"]

    def total(self, name):
        return sum(r["counters"].get(name, 0) for r in self.ask("dump")["rings"])

    def end(self):
        for sock in self.peers:
            sock.close()
        self.p.stdin.close()
        equal(self.p.wait(timeout=30), 0, "exit code")


def each_its_own(group, what):
    group.send()
    got = group.all_come(what)
    for i, n in enumerate(got):
        check(n >= ROUNDS, f"{what}: thread {i} of {got}")
    equal(sum(got), group.sent(), f"{what}: sum")


def device():
    """A rule to all rings: nobody hands over, and only a share of the flows moves."""
    group = Group()
    each_its_own(group, "RSS in the device")
    equal(group.total("handover_in"), 0, "handed over")
    owners = group.ask("owners")
    equal(sorted(set(owners)), list(range(THREADS)), "threads that have flows")
    group.end()


def come_and_go():
    """One goes and comes again while datagrams do: who stays has all of its own."""
    group = Group()
    group.send()
    group.all_come("before")
    before = group.ask("owners")
    gone = before.count(1)
    group.p.stdin.write("close 1\n")
    group.p.stdin.flush()
    for flow, sock in enumerate(group.peers):
        sock.sendto(struct.pack("!II", flow, group.rounds), (HOST_IP, PORT))
    group.rounds += 1
    equal(json.loads(group.p.stdout.readline()), {}, "closed")
    # what lay in the queue of the one that closed goes with it
    group.send(ROUNDS - 1, lost=gone)
    group.all_come("three", lost=gone)
    without, missing = group.ask("owners"), group.ask("missing")
    check(1 not in without, f"a closed socket reads: {without}")
    for flow in range(FLOWS):
        if before[flow] != 1:
            equal((without[flow], missing[flow]), (before[flow], 0),
                  f"thread and losses of flow {flow}, which stays")
    lost = sum(missing)
    check(lost <= gone, f"{lost} lost with {gone} flows")
    group.ask("open", 1)
    group.send(lost=lost)
    got = group.all_come("four again", lost=lost)
    again = group.ask("owners")
    for flow in range(FLOWS):
        check(again[flow] in (1, without[flow]), f"flow {flow}: {without[flow]} to {again[flow]}")
    check(again.count(1) > 0 and sum(got) == group.sent() - lost, f"{again}, {got}")
    group.end()


def refused():
    """All arrive at one ring, and software hands them to the others."""
    group = Group("refuse")
    each_its_own(group, "RSS refused")
    check(group.total("spread_refused") > 0, "not refused")
    handed = group.total("handover_in")
    check(ROUNDS * FLOWS // 4 < handed < ROUNDS * FLOWS, f"{handed} handed over")
    for name in ("handover_full", "drop_no_socket"):
        equal(group.total(name), 0, name)
    group.ask("close", 2)
    group.send()
    group.all_come("RSS refused, three")
    group.end()


def port_spreads():
    """A port without rules has spread them by its table: software moves none."""
    group = Group(DPVMA_STEERING="rss")
    each_its_own(group, "RSS of the port")
    equal((group.total("spread_soft"), group.total("handover_in")), (0, 0), "spread, handed over")
    group.end()


def read_all(agent, fds, n):
    """So many datagrams of them, each as (descriptor, sender's number, bytes)."""
    got = []
    while len(got) < n:
        ready = agent.call("poll", 5000, *(f"{fd}:{select.POLLIN}" for fd in fds))
        check(ready[0] != "0", f"{len(got)} of {n} came")
        for fd, events in (r.split(":") for r in ready[1:]):
            if int(events):
                data, sender, _, _ = agent.recv(int(fd), socket.MSG_DONTWAIT)
                got.append((int(fd), sender[1], data))
    return got


def connected():
    """One that has a peer has all of its own, by a rule of its own or behind each ring, and nothing else."""
    for by_fan in (0, 1):
        agent = Agent(wire.host, EAL, VMA_RING_ALLOCATION_LOGIC_RX=10, VMA_UDP_3T_RULES=by_fan,
                      **ENV).init()
        wire.plug()
        fds = []
        for _ in range(3):
            fds.append(agent.socket())
            agent.setopt(fds[-1], socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            agent.call("bind", fds[-1], HOST_IP if len(fds) != 2 else "0.0.0.0", PORT)
        fds.append(agent.socket())
        agent.setopt(fds[-1], socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        agent.call("bind", fds[-1], HOST_IP, PORT)
        whose = NUMBERS[:16]
        agent.call("connect", fds[0], PEER_IP, whose[5])
        wire.warm()
        peers = [wire.peer.udp("0.0.0.0", number) for number in whose]
        for i, sock in enumerate(peers * 2):
            sock.sendto(pattern(100, i), (HOST_IP, PORT))
        got = read_all(agent, fds, 2 * len(peers))
        equal(sorted((number, data) for _, number, data in got),
              sorted((number, pattern(100, i)) for i, number in enumerate(whose * 2)),
              f"what came, {by_fan}")
        equal({fd for fd, number, _ in got if number == whose[5]}, {fds[0]}, f"its own, {by_fan}")
        equal({fd for fd, number, _ in got if number != whose[5]}, {fds[2], fds[3]},
              f"who shares the rest, not who is bound to any, {by_fan}")
        for sock in peers:
            sock.close()
        agent.end()


main(setup, device, come_and_go, refused, port_spreads, connected)
