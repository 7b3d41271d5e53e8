# SPDX-License-Identifier: BSD-3-Clause
"""
TCP between the stack and the Linux kernel, or another stack: the cases that tcp.py runs over a TAP,
tcp_mlx5.py over the software ConnectX and test/wire/stack/tcp_memif.py between two stacks. At both ends is the agent, once on the native API, once on the kernel's
sockets; both know the same pattern and compare every byte.
"""
import itertools
import os
import select
import socket
import struct
import subprocess
import time

import lab
from lab import Failed, check, equal

MB = 1 << 20
PORT = 5100
INFO_TIMESTAMPS, INFO_SACK, INFO_WSCALE, INFO_ECN = 1, 2, 4, 8
TCP_USER_TIMEOUT = 18


class Bench:
    """
    Two hosts: an agent on the stack and one on the kernel's sockets (or on the stack, too). where
    is the kernel's namespace, device the one in it that leads to ours.
    """

    def __init__(self, ours, our_ip, theirs, their_ip, where=None, device=None):
        self.ours, self.theirs = ours, theirs
        self.our_ip, self.their_ip = our_ip, their_ip
        self.where, self.device = where, device
        self.port = PORT

    def ends(self, active):
        """(client, server, the server's address)"""
        if active == "ours":
            return self.ours, self.theirs, self.their_ip
        return self.theirs, self.ours, self.our_ip

    def listen(self, server, addr, backlog=512, **options):
        """A listening socket on a port that nobody had before."""
        self.port += 1
        fd = server.number("socket", "stream")
        for name, value in options.items():
            server.setopt(fd, socket.SOL_SOCKET, getattr(socket, name), value)
        server.call("bind", fd, addr, self.port)
        server.call("listen", fd, backlog)
        return fd

    def pair(self, active, client_options=None, **options):
        """A connection: (client's fd, server's fd)."""
        client, server, addr = self.ends(active)
        listening = self.listen(server, addr, **options)
        fd = client.number("socket", "stream")
        for name, value in (client_options or {}).items():
            client.setopt(fd, socket.SOL_SOCKET, getattr(socket, name), value)
        client.call("connect", fd, addr, self.port)
        new, host, port = server.call("accept", listening)
        equal([host, port], client.call("name", fd), "who connected")
        equal(client.call("name", fd, "peer"), [addr, str(self.port)], "the server's name")
        equal(server.call("name", int(new)), [addr, str(self.port)], "the server's own name")
        equal(server.call("name", int(new), "peer"), [host, port], "the client's name")
        server.call("close", listening)
        return fd, int(new)

    def both(self, active, fds):
        """(our fd, their fd)"""
        return fds if active == "ours" else fds[::-1]

    def negotiated(self, agent, fd):
        """The option bits of TCP_INFO."""
        return info(agent, fd)[5]

    def close(self, ours, theirs):
        self.ours.call("close", ours)
        self.theirs.call("close", theirs)

    def warm(self):
        self.where.run("ping", "-c", "1", "-W", "5", self.our_ip)


def info(agent, fd):
    return bytes.fromhex(agent.call("getopt", fd, socket.IPPROTO_TCP, socket.TCP_INFO, 104)[0])


class Flow:
    """Bytes from one end to the other."""

    def __init__(self, tx, tx_fd, rx, rx_fd, size, seed=1, tx_chunk=65536, rx_chunk=65536):
        self.tx, self.tx_fd, self.rx, self.rx_fd = tx, tx_fd, rx, rx_fd
        self.size, self.seed, self.tx_chunk, self.rx_chunk = size, seed, tx_chunk, rx_chunk


def start(flows, seconds):
    """Ask both ends for their part of all flows; whom to wait for."""
    work = {}
    for f in flows:
        work.setdefault(f.tx, []).append((f, f"{f.tx_fd}:send:{f.size}:{f.seed}:{f.tx_chunk}"))
        work.setdefault(f.rx, []).append((f, f"{f.rx_fd}:recv:{f.size}:{f.seed}:{f.rx_chunk}"))
    for agent, specs in work.items():
        agent.ask("run", seconds * 1000, *(spec for _, spec in specs))
    return work


def finish(work, seconds):
    for agent, specs in work.items():
        words = agent.answer(seconds + 20)
        check(words is not None, f"no answer after {seconds + 20} s\n{agent.said()}")
        equal(len(words), len(specs) + 1, "answers")
        for got, (flow, spec) in zip(words[1:], specs):
            done, eof, bad, error = got.split(":")
            equal((int(bad), error, int(eof)), (-1, "-", 0),
                  f"{spec}: first wrong byte, error, end; {done} bytes done")
            equal(int(done), flow.size, f"{spec}: bytes")


def move(flows, seconds=60):
    """All flows at once; seconds it took."""
    begin = time.monotonic()
    finish(start(flows, seconds), seconds)
    return time.monotonic() - begin


def ends(agent, fd, text):
    """The next thing to read is the end."""
    equal(agent.call("run", 10000, f"{fd}:recv:end:0:65536"), ["0:1:-1:-"], text)


def patient(call, *args):
    """net_tap tells of frames by a signal, which interrupts."""
    while True:
        try:
            return call(*args)
        except InterruptedError:
            pass


def error_of(agent, fd):
    """What a read says."""
    done, _, _, error = agent.call("sink", fd, "end", 0, 65536)[0].split(":")
    return int(done), error


def orderly(b, ours, theirs):
    """Each side closes its half and sees the other's."""
    b.ours.call("shutdown", ours, socket.SHUT_WR)
    ends(b.theirs, theirs, "the end of ours")
    b.theirs.call("shutdown", theirs, socket.SHUT_WR)
    ends(b.ours, ours, "the end of theirs")
    b.close(ours, theirs)


def exchange(b, active, size, seconds=60, chunk=0, **more):
    """One connection, both directions at once, and its orderly end; (seconds, option bits)."""
    ours, theirs = b.both(active, b.pair(active, **more))
    check(b.ours.explain(ours).startswith("offloaded"), b.ours.explain(ours))
    took = move([Flow(b.ours, ours, b.theirs, theirs, size, 1, chunk, chunk),
                 Flow(b.theirs, theirs, b.ours, ours, size, 2, chunk, chunk)], seconds)
    bits = b.negotiated(b.theirs, theirs)
    orderly(b, ours, theirs)
    return took, bits


# the cases
def options(b):
    """Every combination of what the kernel offers, both openings."""
    names = ("net.ipv4.tcp_timestamps", "net.ipv4.tcp_sack", "net.ipv4.tcp_window_scaling",
             "net.ipv4.tcp_ecn")
    for values in itertools.product((0, 1), repeat=4):
        for name, value in zip(names, values):
            b.where.sysctl(name, value)
        for active in ("ours", "theirs"):
            _, bits = exchange(b, active, MB // 2)
            text = f"options with {values} opened by {active}"
            equal(bits & 7, values[0] | values[1] << 1 | values[2] << 2, text)
            if active == "theirs" or not values[3]:
                equal(bits >> 3 & 1, values[3], "ECN of " + text)
    for name, value in zip(names, (1, 1, 1, 2)):
        b.where.sysctl(name, value)


def bulk(b, size=200 * MB):
    for active, tx in itertools.product(("ours", "theirs"), ("ours", "theirs")):
        ours, theirs = b.both(active, b.pair(active))
        flow = (Flow(b.ours, ours, b.theirs, theirs, size, 3) if tx == "ours" else
                Flow(b.theirs, theirs, b.ours, ours, size, 4))
        took = move([flow], 120)
        print(f"   {size // MB} MB from {tx}, opened by {active}: "
              f"{size * 8 / took / 1e9:.2f} Gbit/s", flush=True)
        orderly(b, ours, theirs)
    took, _ = exchange(b, "ours", size // 4, 120, 65536)
    print(f"   {size // 4 // MB} MB both ways: {size * 4 / took / 1e9:.2f} Gbit/s", flush=True)


def small_writes(b):
    """Nagle on and off, a byte at a time and in all sizes."""
    for nodelay in (0, 1):
        ours, theirs = b.pair("ours")
        for agent, fd in ((b.ours, ours), (b.theirs, theirs)):
            agent.setopt(fd, socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
        move([Flow(b.ours, ours, b.theirs, theirs, 20000, 5, 1, 7),
              Flow(b.theirs, theirs, b.ours, ours, 20000, 6, 1, 3)])
        # questions and answers
        for i in range(50):
            size = 1 + i * 37
            move([Flow(b.ours, ours, b.theirs, theirs, size, i)])
            move([Flow(b.theirs, theirs, b.ours, ours, size, i)])
        orderly(b, ours, theirs)


def blocking_calls(b):
    """The calls that block, large and small, instead of poll."""
    ours, theirs = b.pair("theirs")[::-1]
    for tx, tx_fd, rx, rx_fd in ((b.ours, ours, b.theirs, theirs), (b.theirs, theirs, b.ours, ours)):
        tx.ask("stream", tx_fd, 20 * MB, 7, 0)
        rx.ask("sink", rx_fd, 20 * MB, 7, 0)
        for agent in (tx, rx):
            equal(agent.answer(60), ["ok", f"{20 * MB}:0:-1:-"], "blocking transfer")
    orderly(b, ours, theirs)


def half_close(b):
    """What comes after a FIN in the other direction arrives, from either side."""
    for first in ("ours", "theirs"):
        ours, theirs = b.pair("ours")
        a, a_fd, z, z_fd = (b.ours, ours, b.theirs, theirs)
        if first == "theirs":
            a, a_fd, z, z_fd = z, z_fd, a, a_fd
        move([Flow(a, a_fd, z, z_fd, MB, 8)])
        a.call("shutdown", a_fd, socket.SHUT_WR)
        ends(z, z_fd, "half of it")
        equal(a.fails("send", a_fd, socket.MSG_NOSIGNAL, "00"), "EPIPE", "sending after shutdown")
        move([Flow(z, z_fd, a, a_fd, 5 * MB, 9)])
        z.call("close", z_fd)
        ends(a, a_fd, "the other half")
        a.call("close", a_fd)


def last_words(b):
    """Everything written before close() arrives, then the end."""
    for sender in ("ours", "theirs"):
        ours, theirs = b.pair("theirs")[::-1]
        a, a_fd, z, z_fd = (b.ours, ours, b.theirs, theirs)
        if sender == "theirs":
            a, a_fd, z, z_fd = z, z_fd, a, a_fd
        a.ask("stream", a_fd, 2 * MB, 10, 0)
        z.ask("sink", z_fd, 2 * MB, 10, 0)
        equal(a.answer(20), ["ok", f"{2 * MB}:0:-1:-"], "sent")
        a.call("close", a_fd)
        equal(z.answer(20), ["ok", f"{2 * MB}:0:-1:-"], "received")
        ends(z, z_fd, "the end")
        z.call("close", z_fd)


def resets(b):
    """RST by SO_LINGER and by unread data, both ways."""
    linger = struct.pack("ii", 1, 0)
    for killer in ("ours", "theirs"):
        for unread in (False, True):
            ours, theirs = b.pair("ours")
            a, a_fd, z, z_fd = (b.ours, ours, b.theirs, theirs)
            if killer == "theirs":
                a, a_fd, z, z_fd = z, z_fd, a, a_fd
            if unread:
                z.send(z_fd, b"never read")
                equal(patient(a.call, "poll", 5000, f"{a_fd}:{select.POLLIN}")[0], "1",
                      "data to be left")
            else:
                a.setopt(a_fd, socket.SOL_SOCKET, socket.SO_LINGER, linger)
            a.call("close", a_fd)
            equal(error_of(z, z_fd), (0, "ECONNRESET"), f"reset by {killer}, unread {unread}")
            equal(z.fails("send", z_fd, socket.MSG_NOSIGNAL, "00"), "EPIPE", "after it")
            z.call("close", z_fd)


def small_window(b):
    """A receiver with the smallest buffer, which the sender must not overrun or deadlock."""
    for active in ("ours", "theirs"):
        ours, theirs = b.both(active, b.pair(active, {"SO_RCVBUF": 2048}, SO_RCVBUF=2048))
        # a piece of a small window takes its time: the other end delays its acknowledgements
        move([Flow(b.ours, ours, b.theirs, theirs, 100000, 11, 65536, 500),
              Flow(b.theirs, theirs, b.ours, ours, 100000, 12, 65536, 500)])
        orderly(b, ours, theirs)


def zero_window(b):
    """A receiver that does not read for a while; the window closes and opens again."""
    for sender in ("ours", "theirs"):
        ours, theirs = b.pair("ours", {"SO_RCVBUF": 16384})
        a, a_fd, z, z_fd = (b.ours, ours, b.theirs, theirs)
        if sender == "theirs":
            a, a_fd, z, z_fd = z, z_fd, a, a_fd
        size = 40 * MB
        a.ask("run", 60000, f"{a_fd}:send:{size}:13:65536")
        check(a.answer(1.5) is None, "so much fits no buffer")
        z.ask("run", 60000, f"{z_fd}:recv:{size}:13:65536")
        for agent in (a, z):
            equal(agent.answer(60), ["ok", f"{size}:0:-1:-"], f"{sender} after a closed window")
        orderly(b, ours, theirs)


def many(b, n=300):
    """Connections by the hundred, all in use at the same time."""
    for active in ("ours", "theirs"):
        client, server, addr = b.ends(active)
        listening = b.listen(server, addr, n)
        client.ask("many", n, addr, b.port)
        server.ask("accept", listening, n)
        words = client.answer(60)
        check(words is not None and words[0] == "ok", f"{n} connects: {words}")
        fds = [int(w) for w in words[1:]]
        words = server.answer(60)
        check(words is not None and words[0] == "ok", f"{n} accepts: {words}")
        accepted = dict(zip(words[3::3], (int(w) for w in words[1::3])))
        equal(len(accepted), n, "ports of the connections")
        pairs = [(fd, accepted[client.call("name", fd)[1]]) for fd in fds]
        flows = []
        for i, (c, s) in enumerate(pairs):
            flows.append(Flow(client, c, server, s, 30000 + i * 100, i))
            flows.append(Flow(server, s, client, c, 60000 - i * 100, i + n))
        move(flows)
        for i, (c, s) in enumerate(pairs):
            first, one, second, two = ((client, c, server, s) if i % 2 == 0 else
                                       (server, s, client, c))
            first.call("close", one)
            ends(second, two, "the end")
            second.call("close", two)
        server.call("close", listening)


def open_and_close(b, n=200):
    """One after the other, as requests come; no port is left over."""
    for active in ("ours", "theirs"):
        client, server, addr = b.ends(active)
        listening = b.listen(server, addr)
        for i in range(n):
            fd = client.number("socket", "stream")
            client.call("connect", fd, addr, b.port)
            new = int(server.call("accept", listening)[0])
            move([Flow(client, fd, server, new, 100 + i, i)])
            client.call("close", fd)
            ends(server, new, "the end")
            server.call("close", new)
        server.call("close", listening)


def refused(b):
    """A port on which nobody listens, at either end."""
    for active in ("ours", "theirs"):
        client, _, addr = b.ends(active)
        # the first may wait for a ring and for a neighbour
        for _ in range(2):
            fd = client.number("socket", "stream")
            begin = time.monotonic()
            equal(client.fails("connect", fd, addr, 9), "ECONNREFUSED", f"{active} to nobody")
            took = time.monotonic() - begin
            client.call("close", fd)
        check(took < 1, f"a refusal takes {took:.1f} s")
    # one that was there
    listening = b.listen(b.ours, b.our_ip)
    b.ours.call("close", listening)
    fd = b.theirs.number("socket", "stream")
    equal(b.theirs.fails("connect", fd, b.our_ip, b.port), "ECONNREFUSED", "to one that has left")
    b.theirs.call("close", fd)


def urgent(b):
    """A byte out of band, both ways."""
    ours, theirs = b.pair("ours")
    for a, a_fd, z, z_fd in ((b.ours, ours, b.theirs, theirs), (b.theirs, theirs, b.ours, ours)):
        a.send(a_fd, b"before")
        a.send(a_fd, b"!", flags=socket.MSG_OOB)
        a.send(a_fd, b"after")
        equal(patient(z.call, "poll", 5000, f"{z_fd}:{select.POLLPRI}")[0], "1", "POLLPRI")
        equal(patient(z.recv, z_fd, socket.MSG_OOB, 1)[0], b"!", "out of band")
        got = b""
        while len(got) < 11:
            got += patient(z.recv, z_fd, 0, 100)[0]
        equal(got, b"beforeafter", "in band")
    orderly(b, ours, theirs)


def vanished(b):
    """A peer that is gone without a word: TCP_USER_TIMEOUT."""
    ours, theirs = b.pair("ours")
    b.ours.setopt(ours, socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 1500)
    move([Flow(b.ours, ours, b.theirs, theirs, 1000, 14)])
    b.warm()
    b.where.ip("addr", "del", f"{b.their_ip}/24", "dev", b.device)
    try:
        begin = time.monotonic()
        b.ours.send(ours, b"hello?")
        equal(error_of(b.ours, ours), (0, "ETIMEDOUT"), "nobody answers")
        took = time.monotonic() - begin
        check(1.4 < took < 4, f"it took {took:.1f} s")
        equal(b.ours.fails("send", ours, socket.MSG_NOSIGNAL, "00"), "EPIPE", "after it")
    finally:
        b.where.ip("addr", "add", f"{b.their_ip}/24", "dev", b.device)
    b.close(ours, theirs)


def nobody(b):
    """An address that no host has."""
    fd = b.ours.number("socket", "stream")
    begin = time.monotonic()
    equal(b.ours.fails("connect", fd, b.their_ip.rsplit(".", 1)[0] + ".99", 9), "EHOSTUNREACH",
          "no such host")
    check(time.monotonic() - begin < 10, "it took too long")
    b.ours.call("close", fd)


def curl(b):
    """A program that knows nothing of us fetches a file by HTTP."""
    try:
        subprocess.run(["curl", "--version"], stdout=subprocess.DEVNULL, check=True)
    except FileNotFoundError:
        print("   no curl here", flush=True)
        return
    size, seed = 30 * MB, 15
    got, want = (os.path.join(lab.scratch, name) for name in ("got", "want"))
    listening = b.listen(b.ours, b.our_ip)
    client = b.where.start(["curl", "-sS", "-m", "60", "-o", got, "--noproxy", "*",
                            f"http://{b.our_ip}:{b.port}/"])
    fd = int(b.ours.call("accept", listening)[0])
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += patient(b.ours.recv, fd, 0, 4096)[0]
    check(request.startswith(b"GET / HTTP/1.1\r\n"), f"a request: {request}")
    b.ours.send(fd, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % size)
    equal(b.ours.call("stream", fd, size, seed, 0), [f"{size}:0:-1:-"], "the file")
    b.ours.call("close", fd)
    equal(client.wait(60), 0, "curl")
    b.theirs.call("file", want, size, seed)
    with open(got, "rb") as one, open(want, "rb") as two:
        if one.read() != two.read():
            raise Failed("curl got another file")
    b.ours.call("close", listening)


# what needs no kernel at the other end
ANY = (refused, bulk, small_writes, blocking_calls, half_close, last_words, resets, small_window,
       zero_window, many, open_and_close, urgent)
ALL = ANY + (options, curl, nobody, vanished)
