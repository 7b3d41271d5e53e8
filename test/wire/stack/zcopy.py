#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Zero copy over real wires: an echo server that sends what it received from where the device put it.
Datagrams of one buffer and of many (fragments), a group that two sockets joined, and a stream, byte
by byte; over the software ConnectX, where a frame lies in a buffer of its own or in a stride, and
over a memif. Who asks is the kernel's, or has dpvma as well.
  zcopy.py ask ADDRESS PORT GROUP OWN-ADDRESS
"""
import os
import random
import socket
import sys
import threading

PORT, GROUP = 7300, "239.9.9.9"
SIZES = [0, 1, 18, 64, 1400, 1472, 1473, 4000, 20000]


def pattern(seed, size):
    return random.Random(seed).randbytes(size)


def answer(s, wanted, count=1):
    """Wait for that answer, so often; what is asked again may be answered again."""
    while count:
        count -= s.recv(65536) == wanted


def ask_datagrams(to, own):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((own, 0))
    s.settimeout(10)
    for seed, size in enumerate(SIZES * 3):
        data = pattern(seed, size)
        s.sendto(data, to)
        answer(s, data)
    # several at a time: each comes back, and in order
    burst = [pattern(1000 + i, 100 + i) for i in range(16)]
    for data in burst:
        s.sendto(data, to)
    for data in burst:
        assert s.recv(65536) == data
    s.close()


def ask_group(group, own):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((own, 0))
    s.settimeout(10)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
    for seed in range(20):
        data = pattern(seed, 700 + seed)
        s.sendto(data, group)
        answer(s, data, 2)
    s.close()


def ask_stream(to):
    data = pattern(77, 3 << 20)
    for size in (1, 100, len(data)):
        s = socket.create_connection(to, timeout=20)

        def send():
            s.sendall(data[:size])
            s.shutdown(socket.SHUT_WR)
        t = threading.Thread(target=send)
        t.start()
        got = bytearray()
        while part := s.recv(65536):
            got += part
        t.join()
        assert got == data[:size], f"{len(got)} bytes of {size} came back, or others"
        s.close()


if sys.argv[1:2] == ["ask"]:
    address, port, own = sys.argv[2], int(sys.argv[3]), sys.argv[5]
    ask_datagrams((address, port), own)
    ask_group((sys.argv[4], port + 1), own)
    ask_stream((address, port))
    print("DONE")
    sys.exit(0)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
from lab import HOST_IP, PEER_IP, check, main, memory
from proglab import Memif, Nic, Program

PROGRAM = os.path.abspath(sys.argv.pop(1))
ASK = [sys.executable, "-B", os.path.abspath(__file__), "ask"]


def over_nic(devargs):
    nic = Nic()
    nic.peer.ip("route", "add", "224.0.0.0/4", "dev", "wire0")
    env = nic.environment()
    env["DPVMA_EAL_ARGS"] = f"-a 0000:03:00.0,{devargs} -l 0 --no-telemetry {memory(320)}"
    s = Program(nic.host, [PROGRAM, HOST_IP, PORT, GROUP], env)
    s.says("READY")
    before = nic.seen(), nic.moved()
    out = nic.kernel(*ASK, HOST_IP, PORT, GROUP, PEER_IP).end()
    check("DONE" in out, out)
    # fragments are the kernel's, as no rule takes them
    seen, moved = nic.seen() - before[0], nic.moved() - before[1]
    check(seen <= 100 and moved >= 2000, f"the kernel saw {seen} of {moved} packets")
    s.stop()


def mlx5():
    over_nic("mprq_en=0")


def mlx5_strides():
    over_nic("mprq_en=1,rxqs_min_mprq=1,mprq_max_memcpy_len=0")


def memif():
    wire = Memif("zcopy")
    s = wire.server(PROGRAM, Memif.ADDR["server"], PORT, GROUP)
    s.says("READY")
    out = wire.program("client", *ASK, Memif.ADDR["server"], PORT, GROUP,
                       Memif.ADDR["client"]).end()
    check("DONE" in out, out)
    s.stop()


main(mlx5, mlx5_strides, memif)
