#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Programs of family E with packet buffers in memory of their own, at both ends of a memif, and of the
cable between two software ConnectX: the mlx5 PMD registers that memory and fills it.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
from lab import PROGRAMS, Space, check, main, memory, need_tun, small
from proglab import Memif, Program

PORT = 7300
PROGRAM = os.path.abspath(sys.argv.pop(1))


class Cable:
    """A ConnectX in a namespace for each end, and shared memory between them."""

    ADDR = {"server": "10.97.0.2", "client": "10.97.0.1"}

    def __init__(self):
        need_tun()
        self.cable = f"dpvma-test-{os.getpid()}"
        self.spaces = {}
        for number, role in enumerate(self.ADDR):
            space = self.spaces[role] = Space()
            space.ip("tuntap", "add", "nic0", "mode", "tap")
            space.ip("link", "set", "nic0", "address", f"02:97:00:00:00:0{number}", "up")
            space.ip("addr", "add", f"{self.ADDR[role]}/24", "dev", "nic0")

    def program(self, role, *argv, **env):
        core = 0 if role == "server" else 1 % os.cpu_count()
        return Program(self.spaces[role], argv, small(
            DPVMA_EAL_ARGS=f"-a 0000:03:00.0,mprq_en=0 -l {core} --no-telemetry {memory(320)}",
            LD_PRELOAD=f"{PROGRAMS['preload']} {PROGRAMS['connectx']}", CONNECTX_NETDEV="nic0",
            CONNECTX_WIRE=f"shm:{self.cable}", DPVMA_QUEUES="1", **env))


def talk(wire):
    env = {"DPVMA_VMA_ABI": "E", "VMA_RX_BUFS": "8192", "VMA_TX_BUFS": "8192",
           "VMA_TRACELEVEL": "info"}
    to = wire.ADDR["server"]
    server = wire.program("server", PROGRAM, "server", to, PORT, **env)
    server.says("READY")
    client = wire.program("client", PROGRAM, "client", to, PORT, **env)
    for out in (client.end(), server.end()):
        check(int(re.search(r"used (\d+) bytes", out)[1]) > 16384 * 1700, out)
        check(re.search(r"8192 receive buffers of \d+ bytes in the program's memory, 8192 transmit "
                        r"buffers of \d+ bytes in the program's memory", out), out)
        check(out.count("all came back") == 1, out)
    check("DONE" in client.said(), client.said())


def memif():
    talk(Memif("allocator"))


def mlx5():
    talk(Cable())


main(memif, mlx5)
