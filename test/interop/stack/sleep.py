#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Waiting: a thread that waits uses no processor and wakes at once, by the Rx interrupt of mlx5; what
ends a wait besides a datagram: time, signals, other descriptors.
"""
import os
import select
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import HOST_IP, WAKE_S, Mlx5Wire, check, equal, main

PORT = 6300
SOL = socket.SOL_SOCKET
POLLIN = select.POLLIN
lab = agent = fd = tx = None


def setup():
    global lab, agent, fd, tx
    lab = Mlx5Wire()
    # sleep at once
    agent = lab.agent(VMA_RX_POLL="0", VMA_SELECT_POLL="0")
    lab.warm()
    fd = agent.socket(HOST_IP, PORT)
    tx = lab.peer.udp()


def receive():
    agent.ask("recv", fd, 0)
    agent.idle()
    start = time.monotonic()
    tx.sendto(b"wake up", (HOST_IP, PORT))
    words = agent.answer()
    took = time.monotonic() - start
    equal(words[:3], ["ok", "7", b"wake up".hex()], "what woke it")
    check(took < WAKE_S, f"woke after {took:.3f} s")
    check(agent.counter("sleeps") >= 1, "no ring was slept on")
    # again and again, never missing one
    for i in range(200):
        agent.ask("recv", fd, 0)
        if i % 4 == 0:
            agent.asleep()
        tx.sendto(b"%d" % i, (HOST_IP, PORT))
        words = agent.answer()
        check(words is not None, f"never woke for datagram {i}")
        equal(words[2], (b"%d" % i).hex(), "in order")


def poll_mixed():
    """A pipe of the kernel's and a socket of ours in one call; either ends the wait."""
    agent.ask("poll", -1, f"0:{POLLIN}", f"{fd}:{POLLIN}")
    agent.idle()
    tx.sendto(b"net", (HOST_IP, PORT))
    equal(agent.answer(), ["ok", "1", "0:0", f"{fd}:{POLLIN}"], "the socket")
    equal(agent.recv(fd)[0], b"net", "datagram")
    agent.ask("poll", -1, f"0:{POLLIN}", f"{fd}:{POLLIN}")
    agent.asleep()
    agent.p.stdin.write(b"nothing\n")
    agent.p.stdin.flush()
    equal(agent.answer(), ["ok", "1", f"0:{POLLIN}", f"{fd}:0"], "the pipe")
    equal(agent.answer()[:2], ["err", "ENOSYS"], "the line itself")


def timeouts():
    start = time.monotonic()
    equal(agent.call("poll", 200, f"{fd}:{POLLIN}"), ["0", f"{fd}:0"], "poll")
    check(0.19 < time.monotonic() - start < 1, "poll's timeout")
    agent.setopt(fd, SOL, socket.SO_RCVTIMEO, struct.pack("ll", 0, 200000))
    start = time.monotonic()
    equal(agent.fails("recv", fd, 0), "EAGAIN", "SO_RCVTIMEO")
    check(0.19 < time.monotonic() - start < 1, "SO_RCVTIMEO's time")
    start = time.monotonic()
    equal(agent.fails("recv", fd, socket.MSG_DONTWAIT), "EAGAIN", "MSG_DONTWAIT")
    check(time.monotonic() - start < 0.15, "MSG_DONTWAIT waits")
    agent.setopt(fd, SOL, socket.SO_RCVTIMEO, struct.pack("ll", 0, 0))


def signals():
    for line in (("recv", fd, 0), ("poll", -1, f"{fd}:{POLLIN}")):
        agent.ask(*line)
        agent.asleep()
        os.kill(agent.pid, signal.SIGUSR1)
        words = agent.answer()
        check(words is not None, f"{line[0]} sleeps through a signal")
        equal(words[:2], ["err", "EINTR"], line[0])
    # and nothing is lost by it
    tx.sendto(b"after", (HOST_IP, PORT))
    equal(agent.recv(fd)[0], b"after", "after the signals")


def last():
    agent.end()


main(setup, receive, poll_mixed, timeouts, signals, last)
