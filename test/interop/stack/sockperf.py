#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
sockperf as Debian has it, on a kernel socket, with the stack on mlx5 as its server: ping-pong, and
under load with answers to a part. What it says about lost, doubled and reordered messages counts.
"""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import HOST_IP, Failed, Mlx5Wire, check, equal, main

PORT, SECONDS = 7000, 1
lab = agent = fd = None


def setup():
    global lab, agent, fd
    if shutil.which("sockperf") is None:
        raise SystemExit("there is no sockperf: apt-get install sockperf, as test/run.sh does")
    lab = Mlx5Wire()
    agent = lab.agent()
    lab.warm()
    fd = agent.socket(HOST_IP, PORT)


def sockperf(kind, *options):
    """Its words, without colours."""
    client = lab.peer.start(["sockperf", kind, "-i", HOST_IP, "-p", str(PORT), "-t", str(SECONDS),
                             *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        out = client.communicate(timeout=30)[0]
    except subprocess.TimeoutExpired:
        raise Failed(f"sockperf {kind} does not end") from None
    out = re.sub(r"\x1b\[[0-9;]*m", "", out)
    equal(client.returncode, 0, f"sockperf {kind}: {out}")
    return out


def counts(out, seconds="Valid Duration"):
    """Messages sent and received in the part of the run that counts, and what went wrong."""
    m = re.search(seconds + r".*?SentMessages=(\d+); ReceivedMessages=(\d+)", out)
    check(m, out)
    bad = re.search(r"# dropped messages = (\d+); # duplicated messages = (\d+); "
                    r"# out-of-order messages = (\d+)", out)
    check(bad, out)
    return int(m[1]), int(m[2]), [int(x) for x in bad.groups()]


def ping_pong():
    for size in (14, 4000):
        agent.echo(fd, how="sockperf")
        sent, received, bad = counts(sockperf("ping-pong", "--msg-size", str(size)))
        echoed = agent.stop_echo()
        check(sent > 100, f"{size} bytes: only {sent} round trips")
        # the end of the run may cut the last one
        check(sent - received <= 1, f"{size} bytes: {sent} sent, {received} received")
        equal(bad, [0, 0, 0], f"{size} bytes: dropped, duplicated, out of order")
        check(echoed >= received, f"{echoed} echoed, {received} received")


def under_load():
    agent.echo(fd, how="sockperf")
    sent, received, bad = counts(sockperf("under-load", "--mps", "5000", "--reply-every", "1",
                                          "--msg-size", "200"))
    agent.stop_echo()
    check(received > 1000 and sent - received <= sent // 100, f"{sent} sent, {received} received")
    equal(bad[1:], [0, 0], "duplicated, out of order")


def throughput():
    """All that the kernel sends at a rate the model can carry arrives."""
    before = agent.counter("rx_packets", "sockets")
    agent.echo(fd, how="sockperf")
    out = sockperf("throughput", "--mps", "20000", "--msg-size", "64")
    m = re.search(r"Total of (\d+) messages sent", out)
    check(m, out)
    agent.stop_echo()
    got = agent.counter("rx_packets", "sockets") - before
    # the total leaves out the warm-up
    check(got >= int(m[1]), f"{m[1]} sent, {got} received")


def last():
    agent.end()


main(setup, ping_pong, under_load, throughput, last)
