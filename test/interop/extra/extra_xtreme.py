#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
A TCP server and a ping-pong by completions, written for libvma, preloaded, with kernels at the other
end of the software ConnectX's wire: every byte goes there and back.
"""
import os
import re
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from extralab import PORT, built, path, ready, records, warm
from lab import HOST_IP, PATIENCE, PEER_IP, check, equal, main, pattern
from proglab import Nic

CONNECTIONS, ROUNDS, MESSAGES = 12, 20, 500
nic = None


def setup():
    global nic
    nic = Nic()


def client(i, failures):
    """Asks with all sizes and waits for each answer, then leaves."""
    try:
        with nic.peer:
            s = socket.create_connection((HOST_IP, PORT), PATIENCE * 3)
        with s, s.makefile("rb") as f:
            for r in range(ROUNDS):
                data = pattern(1 + (i * 37 + r * r * 61) % 20000, i * ROUNDS + r)
                s.sendall(data)
                equal(f.read(len(data)), data, f"answer {r} of connection {i}")
    except Exception as e:  # a thread's own failure has to reach the test
        failures.append(f"connection {i}: {e!r}")


def server():
    program = nic.program(built("xtreme_server"), HOST_IP, PORT, CONNECTIONS, path("journal"),
                          VMA_SOCKETXTREME=1)
    ready(program)
    warm(nic)
    before = nic.seen(), nic.moved()
    failures = []
    threads = []
    for i in range(CONNECTIONS):
        threads.append(threading.Thread(target=client, args=(i, failures)))
        threads[-1].start()
    for t in threads:
        t.join()
    equal(failures, [], "clients")
    m = re.search(r"accepted (\d+) closed (\d+) packets (\d+) bytes (\d+) odd (\d+)", program.end())
    check(m, "what it says at the end")
    total = sum(1 + (i * 37 + r * r * 61) % 20000 for i in range(CONNECTIONS) for r in range(ROUNDS))
    equal([int(m[1]), int(m[2]), int(m[4]), int(m[5])], [CONNECTIONS, CONNECTIONS, total, 0],
          "accepted, closed, bytes, oddities")
    notes = records("journal", "II")
    equal(len(notes), int(m[3]), "notes in the journal")
    check(all(data for _, data in notes), "a note without bytes")
    nic.offloaded(before, CONNECTIONS * ROUNDS)


class Echo(threading.Thread):
    """The kernel's end: what comes goes back."""

    def __init__(self, proto):
        super().__init__(daemon=True)
        with nic.peer:
            kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
            self.s = socket.socket(socket.AF_INET, kind)
        self.s.bind((PEER_IP, 0))
        self.port = self.s.getsockname()[1]
        self.proto, self.count = proto, 0
        if proto == "tcp":
            self.s.listen()
        self.start()

    def run(self):
        if self.proto == "tcp":
            c = self.s.accept()[0]
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := c.recv(65536):
                c.sendall(data)
                self.count += len(data)
            c.close()
            return
        while True:
            data, whence = self.s.recvfrom(65536)
            self.s.sendto(data, whence)
            self.count += len(data)


def pingpong(proto):
    for size in (14, 1400, *((9000,) if proto == "tcp" else ())):
        echo = Echo(proto)
        out = nic.program(built("xtreme_pingpong"), proto, PEER_IP, echo.port, MESSAGES, size,
                          VMA_SOCKETXTREME=1).end()
        m = re.search(r"messages (\d+) odd (\d+)", out)
        check(m, out)
        equal([int(m[1]), int(m[2])], [MESSAGES, 0], f"{proto}, {size} bytes: messages, oddities")
        equal(echo.count, MESSAGES * size, f"{proto}, {size} bytes: echoed")


def pingpong_udp():
    pingpong("udp")


def pingpong_tcp():
    pingpong("tcp")


def switched_off():
    """Without VMA_SOCKETXTREME the calls say so, and the program ends as it was written to."""
    program = nic.program(built("xtreme_server"), HOST_IP, PORT, 1, path("none"))
    check("socketxtreme_poll: Operation not supported" in program.end(code=1), program.said())


main(setup, server, pingpong_udp, pingpong_tcp, switched_off)
