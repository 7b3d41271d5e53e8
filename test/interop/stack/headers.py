#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
What a peer sees of the options of a socket, and what the socket sees of a peer's: TTL, TOS, DF,
packet information, times, broadcast, ICMP errors and the path's MTU. On mlx5 beside the kernel, on
a tap without one.
"""
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import (HOST_IP, PEER_IP, Mlx5Wire, Tap, capture, check, checksum, equal, ether, ipv4,
                 is_proto, main, pattern, udp, wait_for)

IP, SOL = socket.IPPROTO_IP, socket.SOL_SOCKET
IP_PKTINFO, IP_MTU_DISCOVER, IP_RECVTTL, IP_MTU = 8, 10, 12, 14
PMTUDISC_DONT, PMTUDISC_DO = 0, 2
SO_TIMESTAMPNS = 35
PORT, CLOSED = 6100, 6199
BROADCAST = "10.99.0.255"
lab = agent = tap = None


def setup():
    global lab, agent, tap
    lab = Mlx5Wire()
    agent = lab.agent()
    lab.warm()
    tap = Tap()


def ours(frame):
    """A UDP packet of the NIC's address."""
    return is_proto(frame, 17) and frame[26:30] == socket.inet_aton(HOST_IP)


def seen_by_peer():
    fd = agent.socket(HOST_IP)
    rx = lab.peer.udp(PEER_IP, PORT)
    rx.setsockopt(IP, IP_RECVTTL, 1)
    rx.setsockopt(IP, socket.IP_RECVTOS, 1)
    wire = lab.peer.packets("wire0")

    def arrives(ttl, tos, df, text):
        data, cmsg, _, source = rx.recvmsg(2000, 200)
        equal((data, source[0]), (text, HOST_IP), "datagram")
        got = {c[1]: c[2] for c in cmsg}
        equal(struct.unpack("i", got[socket.IP_TTL])[0], ttl, "TTL")
        equal(got[socket.IP_TOS][0], tos, "TOS")
        frame = capture(wire, lambda f: ours(f) and f.rstrip(b"\0").endswith(text), "the frame")
        equal(frame[20] & 0x40 != 0, df, "DF")

    agent.setopt(fd, IP, IP_MTU_DISCOVER, PMTUDISC_DONT)
    agent.send(fd, b"as it is", (PEER_IP, PORT))
    arrives(64, 0, False, b"as it is")
    agent.setopt(fd, IP, socket.IP_TTL, 9)
    agent.setopt(fd, IP, socket.IP_TOS, 0x28)
    agent.setopt(fd, IP, IP_MTU_DISCOVER, PMTUDISC_DO)
    agent.send(fd, b"as told", (PEER_IP, PORT))
    arrives(9, 0x28, True, b"as told")
    for kind, value, want in ((socket.IP_TTL, 77, (77, 0x28)), (socket.IP_TOS, 0x50, (9, 0x50))):
        agent.call("sendto", fd, 0, b"for one".hex(), PEER_IP, PORT, IP, kind,
                   struct.pack("i", value).hex())
        arrives(*want, True, b"for one")
    agent.send(fd, b"and after", (PEER_IP, PORT))
    arrives(9, 0x28, True, b"and after")
    agent.call("close", fd)
    rx.close()
    wire.close()


def seen_by_us():
    fd = agent.socket("0.0.0.0", PORT)
    for level, name in ((IP, IP_RECVTTL), (IP, socket.IP_RECVTOS), (IP, IP_PKTINFO),
                        (SOL, SO_TIMESTAMPNS)):
        agent.setopt(fd, level, name, 1)
    tx = lab.peer.udp()
    tx.setsockopt(IP, socket.IP_TTL, 33)
    tx.setsockopt(IP, socket.IP_TOS, 0x50)
    before = time.time()
    tx.sendto(b"look", (HOST_IP, PORT))
    data, _, _, cmsg = agent.recv(fd)
    after = time.time()
    equal(data, b"look", "datagram")
    equal(struct.unpack("i", cmsg[IP, socket.IP_TTL])[0], 33, "TTL")
    equal(cmsg[IP, socket.IP_TOS][0], 0x50, "TOS")
    ifindex, spec, dst = struct.unpack("i4s4s", cmsg[IP, IP_PKTINFO])
    with lab.host:
        equal(ifindex, socket.if_nametoindex("nic0"), "interface")
    equal((socket.inet_ntoa(spec), socket.inet_ntoa(dst)), (HOST_IP, HOST_IP), "addresses")
    sec, nsec = struct.unpack("qq", cmsg[SOL, SO_TIMESTAMPNS])
    check(before - 0.1 <= sec + nsec * 1e-9 <= after + 0.1,
          f"time {sec}.{nsec:09} not in {before}..{after}")
    # cut, and said so
    tx.sendto(pattern(100, 1), (HOST_IP, PORT))
    data, _, flags, _ = agent.recv(fd, room=10)
    equal((data, flags & socket.MSG_TRUNC != 0), (pattern(100, 1)[:10], True), "a short buffer")
    # looked at, and left
    tx.sendto(b"peek", (HOST_IP, PORT))
    equal(agent.recv(fd, socket.MSG_PEEK)[0], b"peek", "MSG_PEEK")
    equal(agent.recv(fd)[0], b"peek", "after it")
    agent.call("close", fd)
    tx.close()


def broadcast():
    """To all of the net, both ways; on the tap by the port itself."""
    rx = lab.peer.udp("0.0.0.0", PORT)
    fd = agent.socket("0.0.0.0", PORT)
    equal(agent.fails("sendto", fd, 0, "00", BROADCAST, PORT), "EACCES", "without SO_BROADCAST")
    agent.setopt(fd, SOL, socket.SO_BROADCAST, 1)
    wire = lab.peer.packets("wire0")
    agent.send(fd, b"to all", (BROADCAST, PORT))
    equal(rx.recvfrom(100), (b"to all", (HOST_IP, PORT)), "as the kernel gets it")
    frame = capture(wire, lambda f: ours(f) and b"to all" in f, "the frame")
    equal(frame[:6], b"\xff" * 6, "MAC of all")
    equal(agent.recv(fd)[:2], (b"to all", (HOST_IP, PORT)), "the sender is one of all")
    rx.setsockopt(SOL, socket.SO_BROADCAST, 1)
    for addr in (BROADCAST, "255.255.255.255"):
        rx.setsockopt(SOL, 25, b"wire0\0")  # SO_BINDTODEVICE
        rx.sendto(b"to us", (addr, PORT))
        equal(agent.recv(fd)[:2], (b"to us", (PEER_IP, PORT)), f"broadcast to {addr}")
    agent.nothing(fd)
    agent.call("close", fd)
    rx.close()
    wire.close()

    a = tap.agent
    fd = a.socket("0.0.0.0", PORT)
    wire = tap.space.packets("dtap0")
    # by hand: a kernel's socket would reach the one behind ours, in the same namespace, as well
    wire.send(ether("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:09", ipv4(tap.PEER_IP, "10.97.0.255", udp(
        tap.PEER_IP, "10.97.0.255", 9, PORT, b"on the tap"))))
    equal(a.recv(fd)[0], b"on the tap", "broadcast by the port")
    a.nothing(fd)
    a.call("close", fd)
    wire.close()


def refused():
    """Port unreachable: from us where no kernel stands behind the port, and to us."""
    keep = tap.agent.socket(tap.IP, PORT)
    client = tap.space.udp()
    client.connect((tap.IP, CLOSED))
    client.send(b"anybody?")
    try:
        client.recv(10)
        raise AssertionError("a datagram from nobody")
    except ConnectionRefusedError:
        pass
    client.close()
    for a, peer in ((tap.agent, tap.PEER_IP), (agent, PEER_IP)):
        fd = a.socket()
        a.call("connect", fd, peer, CLOSED)
        a.send(fd, b"anybody?")
        equal(a.fails("recv", fd, 0), "ECONNREFUSED", f"from {peer}")
        # once
        a.nothing(fd)
        a.call("close", fd)
    tap.agent.call("close", keep)


def path_mtu():
    """What is longer than the way carries: refused with DF, in pieces without."""
    fd = agent.socket()
    agent.call("connect", fd, PEER_IP, PORT)
    agent.setopt(fd, IP, IP_MTU_DISCOVER, PMTUDISC_DO)
    equal(struct.unpack("i", bytes.fromhex(agent.call("getopt", fd, IP, IP_MTU, 4)[0]))[0], 1500,
          "IP_MTU")
    equal(agent.send(fd, bytes(1472)), 1472, "as long as it may be")
    equal(agent.fails("send", fd, 0, bytes(1473).hex()), "EMSGSIZE", "a byte more")
    agent.call("close", fd)

    a = tap.agent
    ours_mac, theirs = tap.macs()
    fd = a.socket(tap.IP, PORT)
    a.call("connect", fd, tap.PEER_IP, PORT)
    a.setopt(fd, IP, IP_MTU_DISCOVER, PMTUDISC_DO)
    wire = tap.space.packets("dtap0")
    # a router that we went through says that it carries 1200 only: RFC 1191
    sent = ipv4(tap.IP, tap.PEER_IP, udp(tap.IP, tap.PEER_IP, PORT, PORT, bytes(1400)))
    quote = sent[:28]
    message = struct.pack("!BBHHH", 3, 4, 0, 0, 1200) + quote
    message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    rx = tap.space.udp(tap.PEER_IP, PORT)
    a.send(fd, bytes(1400))
    equal(len(rx.recv(2000)), 1400, "before the router spoke")
    wire.send(ether(ours_mac, theirs, ipv4(tap.PEER_IP, tap.IP, message, proto=1)))
    wait_for(lambda: a.call("getopt", fd, IP, IP_MTU, 4)[0] == struct.pack("i", 1200).hex(),
             "IP_MTU is 1200")
    # RFC 1122 4.1.3.3: the program hears of it, by whichever call comes next
    equal(struct.unpack("i", bytes.fromhex(a.call("getopt", fd, SOL, socket.SO_ERROR, 4)[0]))[0],
          90, "EMSGSIZE pending")
    equal(a.fails("send", fd, 0, bytes(1400).hex()), "EMSGSIZE", "with DF")
    a.setopt(fd, IP, IP_MTU_DISCOVER, PMTUDISC_DONT)
    a.send(fd, pattern(1400, 3))
    equal(rx.recv(2000), pattern(1400, 3), "in pieces")
    first = capture(wire, lambda f: is_proto(f, 17) and f[26:30] == socket.inet_aton(tap.IP) and
                    f[20] & 0x20, "the first piece")
    check(len(first) - 14 <= 1200, f"a piece of {len(first) - 14} bytes")
    a.call("close", fd)
    rx.close()
    wire.close()


def last():
    agent.end()
    tap.agent.end()


main(setup, seen_by_peer, seen_by_us, broadcast, refused, path_mtu, last)
