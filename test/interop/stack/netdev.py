#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Ports without flow rules beside a kernel: af_packet on a veth, where the host's kernel sees a copy
of every frame, and a tap, where no kernel answers for the port. Every size, once each; ARP;
addresses and links that change while sockets are open; leaving the traffic to the kernel.
"""
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import (QUIET, Agent, Failed, Space, Tap, capture, check, equal, main, pattern, trace,
                 wait_for)

IP, PEER, EXTRA, PORT = "10.96.0.2", "10.96.0.1", "10.96.0.9", 6400
# sizes whose frames are around what is special: shortest, 256 and 1 kB buffers, longest, fragments
SIZES = [*range(0, 40), *range(200, 270, 3), *range(1000, 1040, 5), *range(1460, 1473)]
BIG = [1473, 1480, 1481, 2960, 2961, 9000, 40000, 65507]
# The PMD of af_packet has the kernel put fragments together and then cuts the datagram to a frame
# of 2 kB: what is longer can be sent, not received.
BIG_BACK = [size for size in BIG if size < 1900]
host = peer = agent = None


def setup():
    global host, peer, agent
    host, peer = Space(), Space()
    host.ip("link", "add", "d0", "type", "veth", "peer", "name", "d1", "netns", peer.path)
    host.ip("link", "set", "d0", "up")
    host.ip("addr", "add", f"{IP}/24", "dev", "d0")
    peer.ip("link", "set", "d1", "up")
    peer.ip("addr", "add", f"{PEER}/24", "dev", "d1")
    agent = start()


def start():
    return Agent(host, "-l 0 --no-pci --vdev=net_af_packet0,iface=d0", DPVMA_QUEUES="1").init()


def echo(space, to, sizes):
    """Each size once there and once back, nothing twice."""
    client = space.udp()
    for size in sizes:
        data = pattern(size, size + 1)
        client.sendto(data, to)
        try:
            got, source = client.recvfrom(65536)
        except TimeoutError:
            raise Failed(f"no echo of {size} bytes") from None
        equal((source, got), (to, data), f"echo of {size} bytes")
    client.settimeout(QUIET)
    try:
        equal(client.recv(65536), None, "a second copy")
    except TimeoutError:
        pass
    client.close()


def af_packet():
    # from the kernel's checksum-less frames on: it leaves them to a veth that has no wire
    fd = agent.socket(IP, PORT)
    agent.echo(fd)
    sizes = SIZES + BIG_BACK
    echo(peer, (IP, PORT), sizes)
    equal(agent.stop_echo(), len(sizes), "echoed")
    counters = [s for s in agent.dump()["sockets"] if s["fd"] == fd][0]["counters"]
    equal((counters["rx_packets"], counters["rx_os"]), (len(sizes), 0), "by port and kernel")
    agent.call("close", fd)
    # no answer of the kernel's that the port is unreachable, while it is ours
    for addr in (IP, "0.0.0.0"):
        fd = agent.socket(addr, PORT)
        client = peer.udp()
        client.connect((IP, PORT))
        for _ in range(3):
            client.send(b"one")
            equal(agent.recv(fd)[0], b"one", "datagram")
        agent.nothing(fd)
        client.settimeout(QUIET)
        try:
            client.recv(10)
        except TimeoutError:
            pass
        client.close()
        agent.call("close", fd)


def as_client():
    server = peer.udp(PEER, PORT)
    fd = agent.socket()
    agent.call("connect", fd, PEER, PORT)
    for size in SIZES + BIG:
        agent.send(fd, pattern(size, size))
        data, source = server.recvfrom(65536)
        equal(data, pattern(size, size), f"{size} bytes as the kernel gets them")
        if size in BIG and size not in BIG_BACK:
            continue
        server.sendto(data, source)
        equal(agent.recv(fd)[0], data, f"{size} bytes back")
    agent.nothing(fd)
    agent.call("close", fd)
    server.close()


def addresses_change():
    everywhere = agent.socket("0.0.0.0", PORT)
    fd = agent.socket()
    equal(agent.fails("bind", fd, EXTRA, PORT + 1), "EADDRNOTAVAIL", "before it is there")
    host.ip("addr", "add", f"{EXTRA}/24", "dev", "d0")

    def offloaded():
        got = agent.socket()
        try:
            agent.call("bind", got, EXTRA, PORT + 1)
            if agent.explain(got).startswith("offloaded"):
                return got
        except OSError:
            pass
        agent.call("close", got)
        return None

    agent.call("close", fd)
    fd = wait_for(offloaded, "a socket can be bound to the new address")
    client = peer.udp()
    client.sendto(b"to the new one", (EXTRA, PORT + 1))
    equal(agent.recv(fd)[0], b"to the new one", "datagram")
    client.sendto(b"to any", (EXTRA, PORT))
    equal(agent.recv(everywhere)[0], b"to any", "datagram")
    host.ip("addr", "del", f"{EXTRA}/24", "dev", "d0")
    other = agent.socket()
    equal(agent.fails("bind", other, EXTRA, PORT + 2), "EADDRNOTAVAIL", "when it is gone")
    for one in (fd, everywhere, other):
        agent.call("close", one)
    client.close()


def link_goes():
    """A link that went down and came back carries what it did before, for the same sockets."""
    fd = agent.socket(IP, PORT)
    client = peer.udp()
    client.sendto(b"before", (IP, PORT))
    equal(agent.recv(fd)[0], b"before", "datagram")
    host.ip("link", "set", "d0", "down")
    host.ip("link", "set", "d0", "up")
    wait_for(lambda: "LOWER_UP" in peer.ip("link", "show", "d1"), "the link is up")
    client.settimeout(QUIET)

    def comes():
        client.sendto(b"after", (IP, PORT))
        return agent.call("poll", 100, f"{fd}:1")[0] == "1"

    wait_for(comes, "datagrams after the link came back")
    agent.recv(fd)

    # what was sent without a link made the neighbour one that does not answer; it is asked again
    def goes():
        try:
            agent.send(fd, b"and back", (PEER, client.getsockname()[1]))
            return client.recv(100) == b"and back"
        except (TimeoutError, OSError):
            return False

    wait_for(goes, "datagrams from us after the link came back")
    agent.call("close", fd)
    client.close()


def leaving():
    """However the program ends, the kernel has the address and the port number to itself."""
    global agent
    for how in ("end", "kill"):
        fd = agent.socket(IP, PORT)
        client = peer.udp()
        client.sendto(b"ours", (IP, PORT))
        equal(agent.recv(fd)[0], b"ours", "datagram")
        if how == "end":
            agent.end()
            equal(trace(agent.pid), [], "left behind")
        else:
            agent.kill()
        kernel = host.udp(IP, PORT)
        client.sendto(b"the kernel's", (IP, PORT))
        equal(kernel.recv(100), b"the kernel's", f"after {how}")
        kernel.close()
        client.close()
        agent = start()
    agent.end()


def tap():
    """ARP, echo replies and all sizes without a kernel behind the port."""
    it = Tap()
    fd = it.agent.socket(it.IP, PORT)
    it.agent.echo(fd)
    wire = it.space.packets("dtap0")
    it.space.run("ping", "-c", "3", "-i", "0.2", "-W", "5", "-s", "1472", it.IP)
    # ARP operation 2
    capture(wire, lambda f: f[12:14] == b"\x08\x06" and f[20:22] == b"\0\2" and
            f[28:32] == socket.inet_aton(it.IP), "our ARP reply")
    wire.close()
    echo(it.space, (it.IP, PORT), SIZES + BIG)
    equal(it.agent.stop_echo(), len(SIZES + BIG), "echoed")
    it.agent.call("close", fd)
    # and we ask for one that we have not heard of
    wire = it.space.packets("dtap0")
    it.space.ip("addr", "add", "10.97.0.3/24", "dev", "dtap0")
    third = it.space.udp("10.97.0.3", PORT)
    fd = it.agent.socket(it.IP, PORT)
    it.agent.send(fd, b"who has it?", ("10.97.0.3", PORT))
    equal(third.recv(100), b"who has it?", "after our ARP request")
    capture(wire, lambda f: f[12:14] == b"\x08\x06" and f[20:22] == b"\0\1" and
            f[28:32] == socket.inet_aton(it.IP) and f[38:42] == socket.inet_aton("10.97.0.3"),
            "our ARP request")
    check(it.agent.counter("arp_in") >= 1, "ARP heard")
    it.agent.end()
    for s in (third, wire):
        s.close()


main(setup, af_packet, as_client, addresses_change, link_goes, leaving, tap)
