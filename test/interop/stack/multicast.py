#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Groups: a kernel sends to several sockets of the stack, with source filters, and listens to it. On
mlx5 the host's kernel reports the membership, on a tap, where no kernel stands behind the port, the
stack does; both are looked at on the wire.
"""
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import (HOST_IP, PEER_IP, Mlx5Wire, Tap, capture, checksum, equal, is_proto, main)

GROUP, OTHER_GROUP, PORT = "239.1.2.3", "239.9.9.9", 6000
SECOND_IP = "10.99.0.3"  # of the peer, too
TAP_PEER, TAP_IP = Tap.PEER_IP, Tap.IP
IP = socket.IPPROTO_IP
ADD_SOURCE, DROP_SOURCE, BLOCK_SOURCE, UNBLOCK_SOURCE = 39, 40, 38, 37
IP_MULTICAST_ALL = 49
IP_RECVTTL = 12
V2_REPORT, V2_LEAVE, V3_REPORT = 0x16, 0x17, 0x22
# RFC 3376 4.2.12
IS_IN, IS_EX, TO_IN, TO_EX, ALLOW, BLOCK = 1, 2, 3, 4, 5, 6
lab = agent = None


def setup():
    global lab, agent
    lab = Mlx5Wire()
    agent = lab.agent()
    lab.peer.ip("addr", "add", f"{SECOND_IP}/24", "dev", "wire0")
    lab.warm()


def mreq(group, local):
    return socket.inet_aton(group) + socket.inet_aton(local)


def mreq_source(group, local, source):
    return mreq(group, local) + socket.inet_aton(source)


def member(on, group=GROUP, local=HOST_IP, source=None, bound="0.0.0.0", alone=True):
    """A socket of the stack; with alone, it hears only groups that it joined itself."""
    fd = on.socket()
    on.setopt(fd, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if alone:
        on.setopt(fd, IP, IP_MULTICAST_ALL, 0)
    on.call("bind", fd, bound, PORT)
    if source is None:
        on.setopt(fd, IP, socket.IP_ADD_MEMBERSHIP, mreq(group, local))
    else:
        on.setopt(fd, IP, ADD_SOURCE, mreq_source(group, local, source))
    return fd


def sender(space, local):
    s = space.udp(local)
    s.setsockopt(IP, socket.IP_MULTICAST_IF, socket.inet_aton(local))
    return s


def records(frame):
    """(type, group, sources) of an IGMPv3 report, or the older kinds as (message, group)."""
    igmp = frame[14 + (frame[14] & 15) * 4:]
    if igmp[0] != V3_REPORT:
        return [(igmp[0], socket.inet_ntoa(igmp[4:8]))]
    out, at = [], 8
    for _ in range(struct.unpack("!H", igmp[6:8])[0]):
        n = struct.unpack("!H", igmp[at + 2:at + 4])[0]
        out.append((igmp[at], socket.inet_ntoa(igmp[at + 4:at + 8]),
                    tuple(socket.inet_ntoa(igmp[at + 8 + 4 * i:][:4]) for i in range(n))))
        at += 8 + 4 * n + 4 * igmp[at + 1]
    return out


def igmp(wire, source, record, text):
    """A report of that host with that record goes over the wire, as RFC 3376 wants it sent."""
    def wanted(frame):
        return (is_proto(frame, 2) and frame[26:30] == socket.inet_aton(source) and
                record in records(frame))
    frame = capture(wire, wanted, text)
    equal((frame[:6], frame[22], socket.inet_ntoa(frame[30:34]), frame[34:38]),
          (b"\x01\0\x5e\0\0\x16", 1, "224.0.0.22", b"\x94\x04\0\0"),
          "MAC, TTL, destination and router alert of a report")


def receivers():
    """Each member of a group gets each datagram once; who left gets none."""
    wire = lab.peer.packets("wire0")
    a, b = member(agent), member(agent)
    igmp(wire, HOST_IP, (TO_EX, GROUP, ()), "the kernel's report of the group")
    bound = member(agent, bound=GROUP)
    stranger = member(agent, OTHER_GROUP)
    tx = sender(lab.peer, PEER_IP)
    for i in range(20):
        tx.sendto(b"%d" % i, (GROUP, PORT))
    for fd in (a, b, bound):
        for i in range(20):
            data, source, _, _ = agent.recv(fd)
            equal((data, source[0]), (b"%d" % i, PEER_IP), "a member's datagram")
        agent.nothing(fd)
    agent.nothing(stranger)
    agent.setopt(a, IP, socket.IP_DROP_MEMBERSHIP, mreq(GROUP, HOST_IP))
    tx.sendto(b"again", (GROUP, PORT))
    equal(agent.recv(b)[0], b"again", "who stayed")
    agent.nothing(a)
    for fd in (b, bound):
        agent.call("close", fd)
    igmp(wire, HOST_IP, (TO_IN, GROUP, ()), "the kernel's report that the last one left")
    for fd in (a, stranger):
        agent.call("close", fd)
    tx.close()
    wire.close()


def sources():
    """A filter of sources to hear, and one of sources not to hear."""
    wire = lab.peer.packets("wire0")
    only = member(agent, source=PEER_IP)
    igmp(wire, HOST_IP, (ALLOW, GROUP, (PEER_IP,)), "the kernel's report of the source")
    but = member(agent)
    agent.setopt(but, IP, BLOCK_SOURCE, mreq_source(GROUP, HOST_IP, PEER_IP))
    one, two = sender(lab.peer, PEER_IP), sender(lab.peer, SECOND_IP)
    for i in range(5):
        one.sendto(b"one %d" % i, (GROUP, PORT))
        two.sendto(b"two %d" % i, (GROUP, PORT))
    for i in range(5):
        equal(agent.recv(only)[:2][0], b"one %d" % i, "the source asked for")
        equal(agent.recv(but)[:2][0], b"two %d" % i, "the source not blocked")
    agent.nothing(only)
    agent.nothing(but)
    # and changed
    agent.setopt(only, IP, ADD_SOURCE, mreq_source(GROUP, HOST_IP, SECOND_IP))
    agent.setopt(only, IP, DROP_SOURCE, mreq_source(GROUP, HOST_IP, PEER_IP))
    agent.setopt(but, IP, UNBLOCK_SOURCE, mreq_source(GROUP, HOST_IP, PEER_IP))
    one.sendto(b"1", (GROUP, PORT))
    equal(agent.recv(but)[0], b"1", "unblocked")
    two.sendto(b"2", (GROUP, PORT))
    equal(agent.recv(only)[0], b"2", "the other source")
    equal(agent.recv(but)[0], b"2", "every source")
    agent.nothing(only)
    for fd in (only, but):
        agent.call("close", fd)
    for s in (one, two):
        s.close()
    wire.close()


def sending():
    """The kernel hears us, with the TTL we say; our own members hear us when they may."""
    rx = lab.peer.udp(GROUP, PORT)
    rx.setsockopt(IP, socket.IP_ADD_MEMBERSHIP, mreq(GROUP, PEER_IP))
    rx.setsockopt(IP, IP_RECVTTL, 1)
    own = member(agent)
    tx = agent.socket(HOST_IP)
    agent.setopt(tx, IP, socket.IP_MULTICAST_IF, socket.inet_aton(HOST_IP))
    for ttl, loop in ((1, 1), (7, 0)):
        if ttl != 1:
            agent.setopt(tx, IP, socket.IP_MULTICAST_TTL, ttl)
        agent.setopt(tx, IP, socket.IP_MULTICAST_LOOP, loop)
        agent.send(tx, b"ttl %d" % ttl, (GROUP, PORT))
        data, cmsg, _, source = rx.recvmsg(100, 100)
        equal((data, source[0]), (b"ttl %d" % ttl, HOST_IP), "as the kernel gets it")
        equal(struct.unpack("i", cmsg[0][2])[0], ttl, "TTL")
        if loop:
            equal(agent.recv(own)[0], b"ttl %d" % ttl, "looped back")
        agent.nothing(own)
    check_frame_mac(tx)
    for fd in (own, tx):
        agent.call("close", fd)
    rx.close()


def check_frame_mac(tx):
    wire = lab.peer.packets("wire0")
    agent.send(tx, b"to the group", (GROUP, PORT))
    frame = capture(wire, lambda f: f.endswith(b"to the group"), "a frame to the group")
    equal(frame[:6], b"\x01\0\x5e\x01\x02\x03", "MAC of the group")
    wire.close()


def without_kernel():
    """On a tap the stack reports, answers queries, and says when it leaves."""
    it = Tap()
    space, tap = it.space, it.agent
    wire = space.packets("dtap0")
    fd = member(tap, local=TAP_IP)
    igmp(wire, TAP_IP, (TO_EX, GROUP, ()), "our report")
    tx = sender(space, TAP_PEER)
    tx.sendto(b"hello", (GROUP, PORT))
    equal(tap.recv(fd)[0], b"hello", "a member's datagram")
    # a general query, RFC 3376 4.1: to be answered within a tenth of a second
    with space:
        query = socket.socket(socket.AF_INET, socket.SOCK_RAW, 2)
    query.setsockopt(IP, socket.IP_MULTICAST_IF, socket.inet_aton(TAP_PEER))
    query.setsockopt(IP, 4, b"\x94\x04\0\0")  # IP_OPTIONS: router alert
    message = struct.pack("!BBH4sBBH", 0x11, 1, 0, bytes(4), 2, 125, 0)
    query.sendto(message[:2] + struct.pack("!H", checksum(message)) + message[4:], ("224.0.0.1", 0))
    igmp(wire, TAP_IP, (IS_EX, GROUP, ()), "our answer to a query")
    query.close()
    other = member(tap, OTHER_GROUP, TAP_IP, source=TAP_PEER)
    igmp(wire, TAP_IP, (ALLOW, OTHER_GROUP, (TAP_PEER,)), "our report of a source")
    for gone in (fd, other):
        tap.call("close", gone)
    igmp(wire, TAP_IP, (TO_IN, GROUP, ()), "our report that the last one left")
    tx.sendto(b"nobody", (GROUP, PORT))
    tap.end()


def last():
    agent.end()


main(setup, receivers, sources, sending, without_kernel, last)
