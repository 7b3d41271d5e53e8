#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
SO_MAX_PACING_RATE kept by the device: a preloaded sender over the software ConnectX, whose capture
says when each frame left. A device that sends at a time keeps the distances while the sender runs
ahead of it; without its help the sender waits.
  pace_mlx5.py send OWN-ADDRESS RATE COUNT BYTES
"""
import os
import re
import socket
import struct
import sys
import time

GROUP = ("239.9.9.9", 7301)
SO_MAX_PACING_RATE = 47
BYTES, COUNT = 1400, 400
FRAME = BYTES + 42
GAP = 200_000  # ns
RATE = FRAME * 1_000_000_000 // GAP


def send(own, rate, count, size):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
    s.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, rate)
    s.connect(GROUP)
    begin, at_once = time.monotonic_ns(), 0
    try:
        while at_once < count:
            s.send(struct.pack("!I", at_once) + bytes(size - 4), socket.MSG_DONTWAIT)
            at_once += 1
    except BlockingIOError:
        pass
    print(f"AT ONCE {at_once} in {time.monotonic_ns() - begin} ns", flush=True)
    for i in range(at_once, count):
        s.send(struct.pack("!I", i) + bytes(size - 4))
    print("SENT", flush=True)
    sys.stdin.read()


if sys.argv[1:2] == ["send"]:
    send(sys.argv[2], *map(int, sys.argv[3:]))
    sys.exit(0)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
import subprocess

import lab
from lab import HOST_IP, NET, NIC_MAC, PROGRAMS, Space, check, equal, main, memory, need_tun, small
from lab import wait_for
from proglab import Program


def sent(path):
    """Times at which the device sent the numbered datagrams, which are in order; ns."""
    times = []
    with open(path, "rb") as f:
        data = f.read()
    at = 24
    while at + 16 <= len(data):
        secs, ns, length, _ = struct.unpack_from("=IIII", data, at)
        if at + 16 + length > len(data):
            break
        frame = data[at + 16:at + 16 + length]
        if length == FRAME and frame[36:38] == struct.pack("!H", GROUP[1]):
            equal(struct.unpack_from("!I", frame, 42)[0], len(times), "number of a datagram")
            times.append(secs * 1_000_000_000 + ns)
        at += 16 + length
    return times


def run(**env):
    """What went at once, in which time; when each left; what the program and the model said."""
    need_tun()
    host = Space()
    host.ip("tuntap", "add", "nic0", "mode", "tap")
    host.ip("link", "set", "nic0", "address", NIC_MAC, "up")
    host.ip("addr", "add", f"{HOST_IP}/{NET}", "dev", "nic0")
    path = os.path.join(lab.scratch, "sent.pcap")
    s = Program(host, [sys.executable, "-B", os.path.abspath(__file__), "send", HOST_IP, RATE, COUNT,
                       BYTES], small(
        DPVMA_EAL_ARGS=f"-a 0000:03:00.0,mprq_en=0 -l 0 --no-telemetry {memory(320)}",
        LD_PRELOAD=f"{PROGRAMS['preload']} {PROGRAMS['connectx']}", CONNECTX_NETDEV="nic0",
        CONNECTX_WIRE=f"pcap:out={path}", CONNECTX_WAIT_ON_TIME="1", CONNECTX_VERBOSE="1",
        VMA_RING_ALLOCATION_LOGIC_TX="10", **env), stdin=subprocess.PIPE)
    s.says("SENT")
    wait_for(lambda: len(sent(path)) == COUNT, "all of them in the capture")
    s.p.stdin.close()
    said = s.end()
    m = re.search(r"AT ONCE (\d+) in (\d+) ns", said)
    return int(m[1]), int(m[2]), sent(path), said


def gaps(times):
    return [b - a for a, b in zip(times, times[1:])]


def by_device():
    at_once, took, times, said = run(DPVMA_TX_SCHEDULING="1")
    check(at_once >= 50, f"{at_once} datagrams went ahead of their time\n{said}")
    check(at_once <= 52 + took // GAP, f"{at_once} datagrams went in {took} ns")
    # but for those before which the sender was late
    exact = sum(abs(gap - GAP) <= 1000 for gap in gaps(times))
    check(exact >= COUNT * 3 // 4, f"{exact} of {COUNT - 1} gaps are exact: {gaps(times)}\n{said}")
    waits = int(re.search(r"(\d+) tx_time_waits", said)[1])
    check(waits >= COUNT // 4, f"the device waited {waits} times")


def by_software():
    at_once, took, times, said = run(DPVMA_TX_SCHEDULING="0")
    check(at_once <= 2 + took // GAP, f"{at_once} datagrams went in {took} ns")
    check("tx_time_waits" not in said, said)
    check(times[-1] - times[0] >= (COUNT - 3) * GAP // 2, f"{times[-1] - times[0]} ns")


main(by_device, by_software)
