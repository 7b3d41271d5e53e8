#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Datagrams between a kernel and the stack on mlx5 (the software ConnectX, its wire a TAP): every size
and every byte in both directions, and beside it the host's own kernel, which keeps all else.
"""
import errno
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import (HOST_IP, PEER_IP, Failed, Mlx5Wire, capture, check, equal, main, pattern, trace,
                 wait_for)

ECHO, OTHER, SERVER = 7000, 7001, 7002
BIG = (1473, 1474, 1480, 2952, 2953, 2960, 4000, 8192, 16384, 32767, 50000, 65506, 65507)
WINDOW = 32
lab = agent = None


def setup():
    global lab, agent
    lab = Mlx5Wire()
    agent = lab.agent()


def echo_sizes(client, to, sizes):
    """Send each size, a window at a time, and compare what comes back."""
    sizes = list(sizes)
    for first in range(0, len(sizes), WINDOW):
        want = [pattern(size, size + 1) for size in sizes[first:first + WINDOW]]
        for data in want:
            client.sendto(data, to)
        for data in want:
            try:
                got, source = client.recvfrom(65536)
            except TimeoutError:
                raise Failed(f"no echo of {len(data)} bytes; {agent_counters()}") from None
            equal(source, to, "who echoed")
            equal((len(got), got), (len(data), data), f"echo of {len(data)} bytes")


def agent_counters():
    agent.stop_echo()
    return agent.dump()


def first_datagram():
    """Before anybody knows anybody: the longest datagram arrives, and its echo, in fragments."""
    fd = agent.socket(HOST_IP, ECHO)
    agent.echo(fd)
    client = lab.peer.udp()
    echo_sizes(client, (HOST_IP, ECHO), [65507])
    agent.stop_echo()
    agent.call("close", fd)
    client.close()


def kernel_client():
    fd = agent.socket(HOST_IP, ECHO)
    check(agent.explain(fd).startswith("offloaded"), agent.explain(fd))
    agent.echo(fd)
    client = lab.peer.udp()
    echo_sizes(client, (HOST_IP, ECHO), range(0, 1473))
    for size in BIG:
        echo_sizes(client, (HOST_IP, ECHO), [size])
    equal(agent.stop_echo(), 1473 + len(BIG), "datagrams echoed")
    counters = [s for s in agent.dump()["sockets"] if s["fd"] == fd][0]["counters"]
    # fragments are the kernel's where rules bring packets: its socket receives those
    equal(counters["rx_packets"] + counters["rx_os"], 1473 + len(BIG), "received")
    check(counters["rx_packets"] >= 1473, "datagrams of one frame go by the port")
    check(counters["tx_packets"] == 1473 + len(BIG), f"sent by the port: {counters}")
    agent.call("close", fd)
    client.close()


def any_address():
    """A socket bound to no address gets the port's datagrams by the port, and answers from it."""
    fd = agent.socket("0.0.0.0", ECHO)
    agent.echo(fd)
    client = lab.peer.udp()
    echo_sizes(client, (HOST_IP, ECHO), (0, 1, 100, 1472))
    agent.stop_echo()
    counters = [s for s in agent.dump()["sockets"] if s["fd"] == fd][0]["counters"]
    equal(counters["rx_packets"], 4, "by the port")
    agent.call("close", fd)
    client.close()


def kernel_server():
    """The stack as client, connected and not; a kernel socket answers."""
    server = lab.peer.udp(PEER_IP, SERVER)
    for connected in (True, False):
        fd = agent.socket(None if connected else "0.0.0.0")
        if connected:
            agent.call("connect", fd, PEER_IP, SERVER)
            name, port = agent.call("name", fd)
            equal(name, HOST_IP, "own address after connect")
            equal(agent.call("name", fd, "peer"), [PEER_IP, str(SERVER)], "peer's name")
        to = None if connected else (PEER_IP, SERVER)
        for size in list(range(0, 1473, 23)) + [1472] + list(BIG):
            data = pattern(size, size + 2)
            equal(agent.send(fd, data, to), size, "send's return")
            got, source = server.recvfrom(65536)
            equal(got, data, f"{size} bytes as the kernel got them")
            equal(source[0], HOST_IP, "source as the kernel sees it")
            if connected:
                equal(source[1], int(port), "source port as the kernel sees it")
            server.sendto(data[::-1], source)
            back, who, _, _ = agent.recv(fd)
            equal(back, data[::-1], f"{size} bytes as we got them")
            equal(who, (PEER_IP, SERVER), "source as we see it")
        if connected:
            # nobody else is heard
            stranger = lab.peer.udp()
            stranger.sendto(b"stranger", (HOST_IP, int(port)))
            stranger.close()
            agent.nothing(fd)
        check(agent.explain(fd).startswith("offloaded"), agent.explain(fd))
        agent.call("close", fd)
    server.close()


def bifurcation():
    """Ping, ARP and other ports are the kernel's, while a socket of ours is busy."""
    fd = agent.socket(HOST_IP, ECHO)
    agent.echo(fd)
    wire = lab.peer.packets("wire0")
    lab.peer.ip("neigh", "flush", "dev", "wire0")
    lab.peer.run("ping", "-c", "2", "-i", "0.2", "-W", "5", HOST_IP)
    # ARP operation 2 from the NIC's address
    capture(wire, lambda f: f[12:14] == b"\x08\x06" and f[20:22] == b"\0\2" and
            f[28:32] == socket.inet_aton(HOST_IP), "the kernel's ARP reply")
    wire.close()
    kernel = lab.host.udp(HOST_IP, OTHER)
    client = lab.peer.udp()
    echo_sizes(client, (HOST_IP, ECHO), (10,))
    client.sendto(b"for the kernel", (HOST_IP, OTHER))
    equal(kernel.recvfrom(100)[0], b"for the kernel", "the kernel's socket beside ours")
    kernel.sendto(b"from the kernel", (PEER_IP, client.getsockname()[1]))
    equal(client.recvfrom(100), (b"from the kernel", (HOST_IP, OTHER)), "the kernel's answer")
    echo_sizes(client, (HOST_IP, ECHO), (11,))
    equal(agent.stop_echo(), 2, "ours got its own and no more")
    agent.call("close", fd)
    kernel.close()
    client.close()


def port_in_use():
    """A number that a kernel program has cannot be bound, and the other way round."""
    kernel = lab.host.udp(HOST_IP, OTHER)
    fd = agent.socket()
    equal(agent.fails("bind", fd, HOST_IP, OTHER), "EADDRINUSE", "bind to the kernel's port")
    kernel.close()
    agent.call("bind", fd, HOST_IP, OTHER)
    try:
        lab.host.udp(HOST_IP, OTHER).close()
        raise Failed("the kernel gave our port away")
    except OSError as e:
        equal(e.errno, errno.EADDRINUSE, "the kernel's bind to ours")
    second = agent.socket()
    equal(agent.fails("bind", second, HOST_IP, OTHER), "EADDRINUSE", "a second bind of ours")
    equal(agent.fails("bind", second, "10.99.0.77", OTHER), "EADDRNOTAVAIL", "no address of ours")
    agent.call("close", fd)
    agent.call("bind", second, HOST_IP, OTHER)
    agent.call("close", second)


def close_gives_back():
    """A closed socket's traffic is the kernel's from then on, without a restart."""
    fd = agent.socket(HOST_IP, OTHER)
    client = lab.peer.udp()
    client.sendto(b"one", (HOST_IP, OTHER))
    equal(agent.recv(fd)[0], b"one", "ours")
    agent.call("close", fd)
    kernel = lab.host.udp(HOST_IP, OTHER)
    client.sendto(b"two", (HOST_IP, OTHER))
    equal(kernel.recvfrom(100)[0], b"two", "the kernel's after close")
    kernel.close()
    client.close()


def leaving():
    """After an exit and after SIGKILL nothing is in the way of the next start."""
    for how in ("end", "kill"):
        fd = agent.socket(HOST_IP, ECHO)
        client = lab.peer.udp()
        agent.echo(fd)
        echo_sizes(client, (HOST_IP, ECHO), (64,))
        client.close()
        pid = agent.pid
        if how == "end":
            agent.stop_echo()
            agent.end()
            equal(trace(pid), [], "left behind")
        else:
            agent.kill()
        # the number is free for the kernel
        kernel = lab.host.udp(HOST_IP, ECHO)
        kernel.close()
        restart()


def restart():
    global agent
    # the wire goes with the process
    wait_for(lambda: "wire0" not in lab.peer.run("ip", "link"), "wire0 is gone")
    agent = lab.agent()


def last():
    agent.end()
    equal(trace(agent.pid), [], "left behind")


main(setup, first_datagram, kernel_client, any_address, kernel_server, bifurcation, port_in_use,
     close_gives_back, leaving, last)
