#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
The examples of the extra API, linked with dpvma as they are, over the software ConnectX with a
kernel at the other end of the wire: each does what its first comment says.
"""
import os
import re
import resource
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from extralab import PORT, send_all, warm
from lab import HOST_IP, PATIENCE, PEER_IP, PROGRAMS, check, equal, main, pattern, wait_for
from proglab import Nic, Program

CONNECTIONS = 1000
nic = None


def setup():
    global nic
    nic = Nic()


def example(name, *argv, **env):
    """Linked, so only the NIC is preloaded."""
    env = dict(nic.environment(**env), LD_PRELOAD=PROGRAMS["connectx"])
    return Program(nic.host, [os.path.join(os.environ["EXTRA_EXAMPLES"], name), *argv], env)


def fed(program, messages, expression, port=PORT, times=1):
    """
    Sent the messages over and over until it has said that so many times; the last match. What came
    while it started the kernel has kept for it.
    """
    def said():
        check(program.p.poll() is None, f"{program.name} ended with {program.p.poll()}")
        send_all(nic, messages, port=port)
        matches = list(re.finditer(expression, program.said()))
        return matches[-1] if len(matches) >= times else None

    return wait_for(said, f"{program.name} to say {expression}", 60)


def zcopy_receiver():
    p = example("zcopy_receiver", HOST_IP, PORT)
    m = fed(p, [bytes([3]) * 100] * 50,
            r"([1-9]\d*) packets/s, (\d+) bytes, sum of first bytes ([1-9]\d*)", times=3)
    packets, size, first = (int(x) for x in m.groups())
    equal(size, 100 * packets, "bytes")
    equal(first, 3 * packets, "sum of first bytes")
    p.stop()


def callback_filter():
    p = example("callback_filter", HOST_IP, PORT, "Q")
    # what the kernel kept from before there was a callback comes first, as it is
    fed(p, [kind + b" message" for kind in (b"Q", b"R", b"Q", b"x", b"q")], "(?:Q message\n){50}")
    p.stop()


def cyclic_receiver():
    p = example("cyclic_receiver", HOST_IP, PORT, 64)
    fed(p, [bytes(64)] * 50, r"([1-9]\d*) packets/s")
    p.stop()


def shared_ring():
    p = example("shared_ring", HOST_IP, PORT, DPVMA_QUEUES=2)
    rings = [p.says(rf"port {PORT + i}: number (\d), ring (\d+)").groups() for i in range(3)]
    check(rings[0] == rings[1] and rings[2] not in rings[:2], f"numbers and rings {rings}")
    for i in range(3):
        fed(p, [bytes(64 + i)], rf"port {PORT + i}: {64 + i} bytes", port=PORT + i)
    p.stop()


def socketxtreme_echo():
    p = example("socketxtreme_echo", "tcp", HOST_IP, PORT, VMA_SOCKETXTREME=1)
    p.says("ready")
    warm(nic)
    with nic.peer:
        clients = [socket.create_connection((HOST_IP, PORT), PATIENCE * 3) for _ in range(5)]
    for i, c in enumerate(clients):
        for size in (1, 1448, 9000):
            data = pattern(size, i + size)
            c.sendall(data)
            with c.makefile("rb") as f:
                equal(f.read(size), data, f"echo of {size} bytes, connection {i}")
    for c in clients:
        c.shutdown(socket.SHUT_WR)
        equal(c.recv(1), b"", "the server closes, too")
        c.close()
    p.stop()


def socketxtreme_echo_udp():
    p = example("socketxtreme_echo", "udp", HOST_IP, PORT, VMA_SOCKETXTREME=1)
    p.says("ready")
    warm(nic)
    with nic.peer.udp(PEER_IP) as s:
        s.settimeout(PATIENCE)
        for i, size in enumerate((0, 1, 64, 1472)):
            data = pattern(size, i)
            s.sendto(data, (HOST_IP, PORT))
            equal(s.recvfrom(65536), (data, (HOST_IP, PORT)), f"echo of {size} bytes")
    p.stop()


def socketxtreme_echo_many():
    """A thousand connections at once, each with an exchange, and again on the same numbers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    p = example("socketxtreme_echo", "tcp", HOST_IP, PORT, VMA_SOCKETXTREME=1)
    p.says("ready")
    warm(nic)
    for turn in range(2):
        with nic.peer:
            clients = [socket.create_connection((HOST_IP, PORT), PATIENCE * 3)
                       for _ in range(CONNECTIONS)]
        for i, c in enumerate(clients):
            c.sendall(pattern(100, i + turn))
        for i, c in enumerate(clients):
            with c.makefile("rb") as f:
                equal(f.read(100), pattern(100, i + turn), f"echo of connection {i}")
            c.close()
    p.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


main(setup, zcopy_receiver, callback_filter, cyclic_receiver, shared_ring, socketxtreme_echo,
     socketxtreme_echo_udp, socketxtreme_echo_many)
