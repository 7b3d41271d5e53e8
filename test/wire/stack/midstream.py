# SPDX-License-Identifier: BSD-3-Clause
"""
An agent at each end of a wire, the software ConnectX under one, and streams that are struck in the
middle.
"""
import glob
import json
import socket

import lab
import tcplab
from lab import Agent, check, wait_for
from wires import HERE, THERE


def agent(wire, addr, **more):
    space, eal, env = wire.at(addr)
    return Agent(space, eal, megabytes=320 if wire.bond is None else 448, **{**env, **more}).init()


def bench(wire, **more):
    """Both ends, each with a ring: a port without one answers nobody."""
    b = tcplab.Bench(agent(wire, HERE, **more), HERE, agent(wire, THERE, **more), THERE)
    b.ours.socket(HERE, 1)
    b.theirs.socket(THERE, 1)
    return b


def ask(one, line):
    """The answer of the model's control socket."""
    path, = glob.glob(f"/tmp/connectx-{one.pid}-*/ctl")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(line.encode() + b"\n")
        return b"".join(iter(lambda: s.recv(65536), b"")).decode()


def model(one, nic=0):
    """The counters of a software ConnectX."""
    return json.loads(ask(one, f"stats-json mlx5_{nic}"))[0]["stats"]


def fault(one, text, nic=0):
    lab.equal(ask(one, f"fault mlx5_{nic} {text}"), "", f"the answer to the fault {text}")


def arrived(one, links=1):
    return sum(model(one, nic)["rx_delivered"] for nic in range(links))


def in_stream(b, fds, size, strike, seconds, links=1, after=300):
    """
    Both directions of connections, (our fd, their fd) each, at once; strike() when they are under way.
    Every byte arrives, and much of it after that.
    """
    flows = []
    for seed, (ours, theirs) in enumerate(fds):
        flows += [tcplab.Flow(b.ours, ours, b.theirs, theirs, size, 2 * seed + 1),
                  tcplab.Flow(b.theirs, theirs, b.ours, ours, size, 2 * seed + 2)]
    before = arrived(b.ours, links)
    work = tcplab.start(flows, seconds)
    wait_for(lambda: arrived(b.ours, links) > before + after, "a stream under way")
    strike()
    struck = arrived(b.ours, links)
    tcplab.finish(work, seconds)
    check(arrived(b.ours, links) > struck + after, "it was over before")
