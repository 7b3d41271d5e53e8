#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
redis as Debian has it, preloaded over the software ConnectX: the server with values of all sizes
compared byte by byte, under redis-benchmark with and without pipelines, with a background save (a
child of fork()) in between; and redis-benchmark preloaded against a server on the kernel.
"""
import hashlib
import os
import random
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab
from lab import HOST_IP, PATIENCE, PEER_IP, check, equal, main, pattern
from proglab import Nic, need

PORT = 6379
nic = server = None
OPTIONS = ["--port", PORT, "--save", "", "--appendonly", "no", "--protected-mode", "no",
           "--rdbcompression", "no"]


def setup():
    global nic, server
    need("redis-server", "redis-benchmark")
    nic = Nic()
    server = nic.program("redis-server", "--bind", HOST_IP, *OPTIONS, "--dir", lab.scratch)
    server.says("Ready to accept connections")


class Redis:
    """A kernel's client of the protocol."""

    def __init__(self):
        with nic.peer:
            self.s = socket.create_connection((HOST_IP, PORT), PATIENCE * 3)
        self.f = self.s.makefile("rb")

    def ask(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.s.sendall(b"*%d\r\n" % len(words) +
                       b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return self.answer()

    def answer(self):
        line = self.f.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            return None if rest == b"-1" else self.f.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        check(kind in b"+:" and kind, f"redis said {line!r}")
        return int(rest) if kind == b":" else rest.decode()


def values():
    """Of all sizes, written and read back."""
    before = nic.seen(), nic.moved()
    r = Redis()
    rand = random.Random(5)
    sizes = [0, 1, 2, 63, 1459, 1460, 1461, 65535, 65536, 3 << 20] + [
        rand.randrange(200000) for _ in range(60)]
    for i, size in enumerate(sizes):
        equal(r.ask("SET", f"k{i}", pattern(size, i)), "OK", f"SET of {size}")
    for i, size in enumerate(sizes):
        got = r.ask("GET", f"k{i}")
        equal(hashlib.sha1(got).hexdigest(), hashlib.sha1(pattern(size, i)).hexdigest(),
              f"GET of {size} bytes")
    nic.offloaded(before, 1000)


def benchmark():
    before = nic.seen(), nic.moved()
    for pipeline, n in ((1, 20000), (16, 100000)):
        out = nic.kernel("redis-benchmark", "-h", HOST_IP, "-p", PORT, "-t", "set,get,lrange_100",
                         "-n", n if pipeline == 1 else n // 2, "-P", pipeline, "-c", 50, "-d", 64,
                         "-q").end()
        check(out.count("requests per second") >= 3, out)
        check("Error" not in out and "rror from" not in out, out)
    nic.offloaded(before, 20000)


def background_save():
    """The child writes what the parent had, and the parent's connections go on meanwhile."""
    r = Redis()
    before = r.ask("LASTSAVE")
    lab.wait_for(lambda: r.ask("TIME")[0].decode() > str(before), "the clock to go on")
    equal(r.ask("BGSAVE"), "Background saving started", "BGSAVE")
    lab.wait_for(lambda: r.ask("PING") == "PONG" and r.ask("LASTSAVE") > before,
                 "the end of the save", 60)
    check(b"rdb_last_bgsave_status:ok" in r.ask("INFO", "persistence"), "the save went wrong")
    check(os.path.getsize(os.path.join(lab.scratch, "dump.rdb")) > 3 << 20, "dump.rdb is small")
    equal(r.ask("GET", "k1"), pattern(1, 1), "a value after the save")


def many():
    """Connections come and go by the hundred; the server's count of them returns."""
    keep = Redis()
    for _ in range(5):
        some = [Redis() for _ in range(100)]
        for r in some:
            equal(r.ask("PING"), "PONG", "PING")
        for r in some:
            r.s.close()
            r.f.close()
    lab.wait_for(lambda: b"connected_clients:1\r" in keep.ask("INFO", "clients"),
                 "the connections to end")


def shutdown():
    r = Redis()
    r.s.sendall(b"SHUTDOWN NOSAVE\r\n")
    equal(r.f.read(), b"", "what comes after SHUTDOWN")
    server.end()


def client():
    """redis-benchmark preloaded, the server on the kernel."""
    s = nic.kernel("redis-server", "--bind", PEER_IP, *OPTIONS)
    c = nic.program("redis-benchmark", "-h", PEER_IP, "-p", PORT, "-t", "set,get", "-n", 20000,
                    "-P", 4, "-c", 20, "-q")
    out = c.end()
    check(out.count("requests per second") >= 2 and "rror" not in out, out)
    s.stop()


main(setup, values, benchmark, background_save, many, shutdown, client)
