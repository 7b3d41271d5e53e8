#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
memcached as Debian has it, with four threads, preloaded over the software ConnectX: values of all
sizes over TCP from many connections at a time, and over UDP, compared byte by byte.
"""
import os
import random
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import HOST_IP, PATIENCE, check, equal, main, pattern
from proglab import Nic, need

PORT, THREADS, VALUES = 11211, 8, 60
nic = server = None


def setup():
    global nic, server
    need("memcached")
    nic = Nic()
    server = nic.program("memcached", "-u", "root", "-l", HOST_IP, "-p", PORT, "-U", PORT, "-t", 4,
                         "-m", 256, "-v")


class Client:
    def __init__(self):
        with nic.peer:
            self.s = socket.create_connection((HOST_IP, PORT), PATIENCE * 3)
        self.f = self.s.makefile("rb")

    def set(self, key, value):
        self.s.sendall(f"set {key} 0 0 {len(value)}\r\n".encode() + value + b"\r\n")
        equal(self.f.readline(), b"STORED\r\n", f"set {key}")

    def get(self, key):
        self.s.sendall(f"get {key}\r\n".encode())
        line = self.f.readline().split()
        equal(line[:2], [b"VALUE", key.encode()], f"get {key}")
        value = self.f.read(int(line[3]))
        equal(self.f.readline() + self.f.readline(), b"\r\nEND\r\n", f"the end of {key}")
        return value


def first():
    """The server listens some time after it has started."""
    import lab

    def connects():
        check(server.p.poll() is None, f"memcached ended with {server.p.poll()}")
        try:
            return Client()
        except (ConnectionRefusedError, TimeoutError):
            return None

    c = lab.wait_for(connects, "memcached to listen", 60)
    c.set("one", b"1")
    equal(c.get("one"), b"1", "the first value")


def tcp():
    before = nic.seen(), nic.moved()
    wrong = []

    def work(me):
        try:
            rand = random.Random(me)
            c = Client()
            sizes = [0, 1, 1400, 1460, 1461, 1 << 16] + [rand.randrange(900000) if i % 10 == 0
                                                         else rand.randrange(5000)
                                                         for i in range(VALUES)]
            for i, size in enumerate(sizes):
                c.set(f"k{me}-{i}", pattern(size, me + i))
            for i, size in enumerate(sizes):
                if c.get(f"k{me}-{i}") != pattern(size, me + i):
                    wrong.append(f"thread {me}: value {i} of {size} bytes differs")
        except Exception as e:  # told by the main thread
            wrong.append(f"thread {me}: {e!r}")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(wrong, [], "values")
    nic.offloaded(before, 3000)


def udp():
    """Its frames: request number, index and number of the datagram, reserved."""
    c = Client()
    for i in range(20):
        c.set(f"u{i}", pattern(50 * i * i, i))
    s = nic.peer.udp(timeout=PATIENCE)
    for i in range(20):
        s.sendto(struct.pack("!HHHH", i, 0, 1, 0) + f"get u{i}\r\n".encode(), (HOST_IP, PORT))
        parts, total = {}, 1
        while len(parts) < total:
            data = s.recv(2000)
            number, index, total, _ = struct.unpack("!HHHH", data[:8])
            equal(number, i, "request number")
            parts[index] = data[8:]
        got = b"".join(parts[k] for k in sorted(parts))
        value = pattern(50 * i * i, i)
        equal(got, f"VALUE u{i} 0 {len(value)}\r\n".encode() + value + b"\r\nEND\r\n", f"u{i}")


def many():
    """Connections that come and go, and its own count of them."""
    c = Client()

    def count():
        c.s.sendall(b"stats\r\n")
        got = {}
        while (line := c.f.readline().split())[0] != b"END":
            got[line[1]] = line[2]
        return int(got[b"curr_connections"])

    import lab
    # those of the cases before are ending
    some = [Client() for _ in range(200)]
    for i, one in enumerate(some):
        one.set(f"m{i}", str(i).encode())
    high = count()
    check(high >= 200, f"{high} connections")
    for one in some:
        one.f.close()
        one.s.close()
    lab.wait_for(lambda: count() <= high - 200, "the connections to end")


def stop():
    server.stop()


main(setup, first, tcp, udp, many, stop)
