#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
What the kernel's TCP gets through the simulated link: bytes acknowledged in so many seconds, median
of several runs. Two network namespaces, a TAP device in each, tap_relay between them, whose link is
the one that goodput(.c) gives our engine, with the same parameters. Needs root, leaves nothing.

    linux_goodput.py BUILD [--loss 0.01] [--rate 1G] [--delay 10ms] [--queue 2500k] [--seconds 15]
        [--runs 5] [--cc cubic] [--link more=of,the=link's]

--queue of 1G × 20 ms is the default: one bandwidth-delay product, so that losses are the link's own.
"""
import argparse
import fcntl
import os
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "interop", "stack"))
import lab  # noqa: E402

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 2, 0x1000
BUFFER = 8 << 20
PORT = 5001


def tap(space, name, address):
    with space:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    space.ip("addr", "add", address + "/24", "dev", name)
    space.ip("link", "set", name, "txqueuelen", "10000", "up")
    # the default queue has no lock and reorders what a sender that changes processors gives it
    space.run("tc", "qdisc", "replace", "dev", name, "root", "pfifo", "limit", "10000")
    return fd


def prepare(space):
    space.sysctl("net.ipv4.tcp_no_metrics_save", 1)  # a run learns nothing from those before it
    space.sysctl("net.ipv4.tcp_rmem", f"4096 131072 {BUFFER}")
    space.sysctl("net.ipv4.tcp_wmem", f"4096 65536 {BUFFER}")


def receive(listener):
    conn = listener.accept()[0]
    view = bytearray(1 << 20)
    while conn.recv_into(view):
        pass
    conn.close()


def send(space, cc, seconds):
    """@return bytes acknowledged, segments sent again, round trip in us, all by TCP_INFO"""
    with space:
        s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, cc.encode())
    s.connect(("10.96.0.2", PORT))
    data = bytes(1 << 18)
    end = time.monotonic() + seconds
    s.settimeout(0.2)
    while time.monotonic() < end:
        try:
            s.send(data)
        except socket.timeout:
            pass
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    words = struct.unpack_from("24I", info, 8)
    return struct.unpack_from("Q", info, 120)[0], words[23], words[15]


def run(args, seed):
    a, b = lab.Space(), lab.Space()
    fds = [tap(a, "wire0", "10.96.0.1"), tap(b, "wire0", "10.96.0.2")]
    link = f"rate={args.rate},delay={args.delay},queue={args.queue},overhead=24"
    there = f"{link},loss={args.loss}" + ("," + args.link if args.link else "")
    relay = subprocess.Popen([os.path.join(args.build, "test/bench/tcp/tap_relay"), *map(str, fds),
                              there, link, str(seed)], pass_fds=fds, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    try:
        if relay.stdout.readline() != "ready\n":
            sys.exit("the relay does not start")
        for space in (a, b):
            prepare(space)
        a.run("ping", "-c", "2", "-W", "5", "10.96.0.2")
        with b:
            listener = socket.create_server(("10.96.0.2", PORT))
        reader = threading.Thread(target=receive, args=(listener,), daemon=True)
        reader.start()
        got = send(a, args.cc, args.seconds)
        relay.stdin.close()
        report = relay.stdout.read()
        if args.verbose:
            print(report, end="")
        return got
    finally:
        relay.kill()
        relay.wait()
        for fd in fds + [a.fd, b.fd]:
            os.close(fd)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--rate", default="1G")
    parser.add_argument("--delay", default="10ms", help="one way")
    parser.add_argument("--loss", default="0.01", help="towards the receiver")
    parser.add_argument("--queue", default="2500k")
    parser.add_argument("--link", default="", help="more about the way towards the receiver")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cc", default="cubic")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    rates = []
    for i in range(args.runs):
        acked, again, rtt = run(args, args.seed + 2 * i)
        rates.append(acked * 8 / args.seconds / 1e6)
        print(f"run {i + 1}: {rates[-1]:.2f} Mbit/s, {again} segments sent again, "
              f"round trip {rtt / 1000:.1f} ms", flush=True)
    print(f"linux {args.cc} rate={args.rate} delay={args.delay} loss={args.loss}: "
          f"median {statistics.median(rates):.2f} Mbit/s, {min(rates):.2f} to {max(rates):.2f}")


if __name__ == "__main__":
    main()
