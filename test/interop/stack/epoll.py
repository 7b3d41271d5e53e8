#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Threads that wait on an epoll, in a poll on one, and on an epoll in an epoll: they use no processor
and wake at once, by the Rx interrupt of mlx5; also for sockets that come, and that move to another
ring, while they sleep.
"""
import os
import select
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import HOST_IP, WAKE_S, Mlx5Wire, check, equal, main, wait_for

PORT = 6400
ADD, DEL, MOD = 1, 2, 3  # EPOLL_CTL_*
IN, ET = select.EPOLLIN, select.EPOLLET & 0xffffffff
POLLIN = select.POLLIN
MOVES = 3
lab = agent = tx = inner = outer = fd = None


def start(**env):
    global lab, agent, tx, inner, outer, fd
    lab = Mlx5Wire()
    # sleep at once; whoever naps instead is busy with it, and no thread of ours polls beside
    agent = lab.agent(VMA_RX_POLL="0", VMA_SELECT_POLL="0", DPVMA_NAP_USEC="1",
                      VMA_PROGRESS_ENGINE_INTERVAL="0", **env)
    tx = lab.peer.udp()
    inner, outer = agent.number("epoll"), agent.number("epoll")
    fd = agent.socket(HOST_IP, PORT)
    lab.warm()
    agent.call("epoll_ctl", inner, ADD, fd, IN, 1)
    agent.call("epoll_ctl", outer, ADD, inner, IN, 2)


def waits():
    """What to ask, and the answer when there is something in the inner one, with data 1."""
    return ((("epoll_wait", inner, 8, -1), ["ok", "1", f"1:{IN}"]),
            (("poll", -1, f"{inner}:{POLLIN}"), ["ok", "1", f"{inner}:{POLLIN}"]),
            (("epoll_wait", outer, 8, -1), ["ok", "1", f"2:{IN}"]),
            (("poll", -1, f"{outer}:{POLLIN}"), ["ok", "1", f"{outer}:{POLLIN}"]))


def wakes(line, answer, cause, what):
    """Idle until the cause, then there at once."""
    agent.ask(*line)
    agent.idle()
    began = time.monotonic()
    cause()
    got = agent.answer()
    took = time.monotonic() - began
    equal(got, answer, f"{line[0]} {what}")
    check(took < WAKE_S, f"{line[0]} {what}: woke after {took:.3f} s")


def send(port=PORT, data=b"x"):
    tx.sendto(data, (HOST_IP, port))


def datagrams():
    start(VMA_RING_ALLOCATION_LOGIC_RX="10")
    for line, answer in waits():
        wakes(line, answer, send, "of a datagram")
        equal(agent.recv(fd)[0], b"x", "the datagram")
    check(agent.counter("sleeps") >= 4, "no ring was slept on")
    # again and again, never missing one
    for i in range(200):
        line, answer = waits()[i % 4]
        agent.ask(*line)
        if i // 4 % 4 == 0:
            agent.asleep()
        send(data=b"%d" % i)
        equal(agent.answer(), answer, f"{line[0]}, datagram {i}")
        equal(agent.recv(fd)[0], b"%d" % i, "in order")


def edges():
    agent.call("epoll_ctl", inner, MOD, fd, IN | ET, 1)
    for i in range(2):
        wakes(*waits()[0], send, "of an edge")
    for i in range(2):
        equal(agent.recv(fd)[0], b"x", "the datagrams")
    agent.call("epoll_ctl", inner, MOD, fd, IN, 1)


def rings_that_come():
    """A socket on a ring of its own is added while they sleep."""
    late = agent.socket(HOST_IP, PORT + 1)
    rings = {one["queue"] for one in agent.dump()["rings"]}
    check(len(rings) > 1, f"all sockets share a ring: {rings}")
    for line, answer in waits():
        answer = [word.replace("1:", "3:") if word.startswith("1:") else word for word in answer]
        agent.call("beside", "epoll_ctl", inner, ADD, late, IN, 3)
        wakes(line, answer, lambda: send(PORT + 1), "of a socket that came")
        agent.recv(late)
        agent.call("epoll_ctl", inner, DEL, late, 0, 0)
    agent.call("close", late)


def streams():
    """Connections of a listener, and what comes by one."""
    listener = agent.number("socket", "stream")
    agent.call("bind", listener, HOST_IP, PORT)
    agent.call("listen", listener, 8)
    agent.call("epoll_ctl", inner, ADD, listener, IN, 1)
    with lab.peer:
        client = socket.socket()
    client.setblocking(False)
    wakes(*waits()[0], lambda: client.connect_ex((HOST_IP, PORT)), "of a connection")
    conn = agent.number("accept", listener)
    agent.call("epoll_ctl", inner, ADD, conn, IN, 1)
    for line, answer in waits():
        wakes(line, answer, lambda: client.send(b"y"), "of bytes")
        equal(agent.call("recv", conn, 0, 100)[:2], ["1", b"y".hex()], "the bytes")
    client.close()
    agent.call("close", conn)
    agent.call("close", listener)
    agent.end()


def quiet_with(n):
    """Datagrams wait in the socket, and their edges are taken."""
    agent.call("epoll_ctl", inner, MOD, fd, 0, 1)
    before = agent.counter("rx_packets", "sockets")
    for _ in range(n):
        send()
    wait_for(lambda: agent.call("poll", 0, f"{fd}:{POLLIN}") and
             agent.counter("rx_packets", "sockets") == before + n, "the datagrams come")
    agent.call("epoll_ctl", inner, MOD, fd, IN | ET, 1)
    equal(agent.call("epoll_wait", inner, 8, 0), ["1", f"1:{IN}"], "the edge")


def rings_that_change():
    """A datagram socket moves to the ring of another thread that receives from it."""
    start(megabytes=480, DPVMA_QUEUES="3", VMA_RING_ALLOCATION_LOGIC_RX="20",
          VMA_RING_MIGRATION_RATIO_RX=str(MOVES))
    for line, answer in waits():
        quiet_with(MOVES)
        agent.call("beside", "recv", fd, MOVES)
        wakes(line, answer, send, "of a socket that moved")
        equal(agent.recv(fd)[0], b"x", "the datagram")
        equal(agent.fails("recv", fd, socket.MSG_DONTWAIT), "EAGAIN", "nothing more")
        check(agent.counter("migrations") >= 1, "the socket did not move")
    agent.end()


main(datagrams, edges, rings_that_come, streams, rings_that_change)
