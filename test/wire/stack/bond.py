#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Bonds of the bonding PMD at both ends: active-backup over two cables between software ConnectX, LACP
over cables and over two memifs. TCP and UDP, every byte checked, links that go down in mid-stream and
come back.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
import tcplab
from lab import check, equal, main, pattern, wait_for
from midstream import bench, fault, in_stream, model
from wires import BOND, Cable, HERE, Memif, THERE

MB = 1 << 20
SIZE = 24 * MB
# what a lost link may cost: what finds it out, on a machine that is busy with other things
SECONDS = 25
PORT = 5400
DOWN = "link=0@time:+0ms"


def datagrams(b, n=20):
    """There and back, one at a time; those that a link lost on its way down are asked again."""
    fd = b.theirs.socket("0.0.0.0", PORT)
    b.theirs.echo(fd)
    c = b.ours.socket()
    again = 0
    for i in range(n):
        data = pattern(64 * i, i)
        for _ in range(SECONDS):
            b.ours.send(c, data, (THERE, PORT))
            if b.ours.call("poll", 1000, f"{c}:1")[0] == "1":
                break
            again += 1
        equal(b.ours.recv(c)[:2], (data, (THERE, PORT)), f"echo of datagram {i}")
    b.theirs.stop_echo()
    b.ours.call("close", c)
    b.theirs.call("close", fd)
    return again


def end(b):
    for one in (b.ours, b.theirs):
        for name in ("drop_tcp", "drop_ip_checksum", "drop_short"):
            equal(one.counter(name), 0, name)
        one.end()


def links(b):
    """Frames that came to ours by each."""
    return [model(b.ours, nic)["rx_delivered"] for nic in (0, 1)]


def moves(one):
    return one.said().count("is the active one now")


def stream(b, strike, connections=1):
    """Both ways, and struck when under way; the connections are told by the bond."""
    began = time.monotonic()
    fds = [b.pair("ours") for _ in range(connections)]
    check(BOND in b.ours.explain(fds[0][0]), b.ours.explain(fds[0][0]))
    in_stream(b, fds, SIZE // connections, strike, SECONDS, links=2)
    for pair in fds:
        tcplab.orderly(b, *pair)
    return time.monotonic() - began


def backup():
    """One link carries all; when it goes down, the other does, and the first one again later."""
    b = bench(Cable("backup", "mode=1,primary=0000:03:00.0", ",mprq_en=0"), VMA_TRACELEVEL="debug")
    equal(datagrams(b), 0, "datagrams lost with both links up")
    before = links(b)
    stream(b, lambda: None)
    first, second = (x - y for x, y in zip(links(b), before))
    check(first > 1000 and second < 20, f"{first} frames on the first link, {second} on the other")
    for n, who in enumerate((b.ours, b.theirs)):
        before = links(b)
        took = stream(b, lambda: fault(who, "link=3s@time:+0ms"))
        wait_for(lambda: [moves(b.ours), moves(b.theirs)] == [2 * n + 2] * 2, "the primary is back")
        second = links(b)[1] - before[1]
        check(second > 300, f"{second} frames on the second link")
        print(f"   a link down for 3 s: {took:.1f} s", flush=True)
    # for good, and datagrams go by the other
    fault(b.ours, DOWN)
    lost = datagrams(b)
    check(lost <= 2, f"{lost} datagrams asked again")
    equal([moves(b.ours), moves(b.theirs)], [5, 5], "the active link changed")
    end(b)


def lacp(wire):
    b = bench(wire, VMA_PROGRESS_ENGINE_INTERVAL="0")
    # it was agreed while both programs slept and nobody polled
    tcplab.exchange(b, "ours", 1 * MB, SECONDS)
    equal(datagrams(b), 0, "datagrams lost with both links up")
    return b


def cable_lacp():
    b = lacp(Cable("lacp", "mode=4,xmit_policy=l34", ",mprq_en=0"))
    before = links(b)
    stream(b, lambda: None, 16)
    used = [x - y for x, y in zip(links(b), before)]
    check(min(used) > 300, f"{used} frames by each of two links, for 16 connections")
    for nic in (0, 1):
        before = links(b)
        took = stream(b, lambda: fault(b.theirs, "link=2s@time:+0ms", nic), 16)
        other = links(b)[1 - nic] - before[1 - nic]
        check(other > 600, f"{other} frames by the link that was left")
        print(f"   link {nic} of two down for 2 s: {took:.1f} s", flush=True)
    end(b)


def memif_lacp():
    end(lacp(Memif("lacp", "mode=4,xmit_policy=l34")))


main(memif_lacp, backup, cable_lacp)
