# SPDX-License-Identifier: BSD-3-Clause
"""
The wires between two ends that are both ours, and dpvma-testpmd at both.
"""
import os

import lab
from lab import PROGRAMS, Space, Testpmd, equal, need_tun

HERE, THERE = "10.98.0.2", "10.98.0.1"
MAC = {HERE: "02:98:00:00:00:02", THERE: "02:98:00:00:00:01"}


class Memif:
    """Two ends in one namespace."""

    def __init__(self, name):
        self.space, self.name = Space(), name

    def at(self, addr):
        """(namespace, EAL arguments, environment)"""
        role, core = ("server", 0) if addr == HERE else ("client", 1 % os.cpu_count())
        path = os.path.join(lab.scratch, self.name)
        return (self.space,
                f"-l {core} --no-pci --vdev=net_memif0,role={role},id=0,socket={path},"
                f"socket-abstract=no,rsize=11,mac={MAC[addr]}",
                {"DPVMA_PORTS": f"net_memif0={addr}/24", "DPVMA_QUEUES": "1"})


class Cable:
    """Two namespaces, a NIC in each, the kernels beside them."""

    def __init__(self, name):
        need_tun()
        self.cable = f"dpvma-test-{os.getpid()}-{name}"
        self.spaces = {}
        for addr in (HERE, THERE):
            space = self.spaces[addr] = Space()
            space.ip("tuntap", "add", "nic0", "mode", "tap")
            space.ip("link", "set", "nic0", "address", MAC[addr], "up")
            space.ip("addr", "add", f"{addr}/24", "dev", "nic0")

    def at(self, addr):
        core = 0 if addr == HERE else 1 % os.cpu_count()
        return (self.spaces[addr], f"-a 0000:03:00.0 -l {core}",
                {"LD_PRELOAD": PROGRAMS["connectx"], "CONNECTX_NETDEV": "nic0",
                 "CONNECTX_WIRE": f"shm:{self.cable}", "DPVMA_QUEUES": "1"})


class Veth:
    """Two namespaces and the kernel's own sockets."""

    def __init__(self, _name):
        here, there = Space(), Space()
        here.ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
        here.ip("link", "set", "veth1", "netns", there.path)
        self.spaces = {HERE: here, THERE: there}
        for addr, dev in ((HERE, "veth0"), (THERE, "veth1")):
            self.spaces[addr].ip("addr", "add", f"{addr}/24", "dev", dev)
            self.spaces[addr].ip("link", "set", dev, "up")

    def at(self, addr):
        return self.spaces[addr], None, {"cpu": 0 if addr == HERE else 1 % os.cpu_count()}


def pair(wire, mode, *options, passive=(), active=(), seconds=1, other=None):
    """
    dpvma-testpmd at both ends; (passive's, active's result). No connection is lost and no byte is
    wrong, which says something with --check among the options.
    """
    def begin(addr, mode, *more):
        space, eal, env = wire.at(addr)
        return Testpmd(space, eal, f"--mode={mode}", *options, *more, ready=False, **env)

    waits = begin(HERE, mode, "--duration=60", "--linger=20", *passive)
    lab.wait_for(lambda: "READY" in waits.said(), "READY")
    goes = begin(THERE, other or mode, f"--peer={HERE}", f"--duration={seconds}", *active)
    results = goes.result(), waits.result()
    for result in results:
        one = result["modes"][0]
        equal((one["bad_payload"], one["failed"]), (0, 0), f"{mode}: bytes, connections")
    return results[::-1]
