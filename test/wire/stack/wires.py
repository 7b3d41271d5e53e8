# SPDX-License-Identifier: BSD-3-Clause
"""
The wires between two ends that are both ours, one or a bond of two, and dpvma-testpmd at both.
"""
import os

import lab
from lab import PROGRAMS, Space, Testpmd, equal, need_tun

HERE, THERE = "10.98.0.2", "10.98.0.1"
BOND = "net_bonding0"


def mac(addr, link=0):
    return f"02:98:00:0{link}:00:0{addr[-1]}"


def core(addr):
    return 0 if addr == HERE else 1 % os.cpu_count()


class Memif:
    """Two ends in one namespace; bond: of two memifs, the PMD's arguments but for its slaves."""

    tso = False

    def __init__(self, name, bond=None):
        self.space, self.name, self.bond = Space(), name, bond

    def at(self, addr):
        """(namespace, EAL arguments, environment)"""
        role = "server" if addr == HERE else "client"
        links = 1 if self.bond is None else 2
        path = os.path.join(lab.scratch, self.name)
        vdevs = [f"--vdev=net_memif{i},role={role},id={i},socket={path},socket-abstract=no,rsize=11,"
                 f"mac={mac(addr, i)}" for i in range(links)]
        port = "net_memif0"
        if self.bond is not None:
            vdevs.append(f"--vdev={BOND},{self.bond},slave=net_memif0,slave=net_memif1")
            port = BOND
        return (self.space, f"-l {core(addr)} --no-pci {' '.join(vdevs)}",
                {"DPVMA_PORTS": f"{port}={addr}/24", "DPVMA_QUEUES": "1"})


class Cable:
    """
    Two namespaces, a NIC in each, the kernels beside them. With a bond two NICs in each, two cables,
    and no kernel's address.
    """

    def __init__(self, name, bond=None, devargs="", tso=True):
        need_tun()
        self.bond, self.devargs, self.tso = bond, devargs, tso
        self.cable = f"dpvma-test-{os.getpid()}-{name}"
        self.spaces = {}
        for addr in (HERE, THERE):
            space = self.spaces[addr] = Space()
            for i in range(1 if bond is None else 2):
                space.ip("tuntap", "add", f"nic{i}", "mode", "tap")
                space.ip("link", "set", f"nic{i}", "address", mac(addr, i), "up")
            if bond is None:
                space.ip("addr", "add", f"{addr}/24", "dev", "nic0")

    def at(self, addr):
        slaves = [f"0000:0{3 + i}:00.0" for i in range(1 if self.bond is None else 2)]
        eal = f"-l {core(addr)}" + "".join(f" -a {s}{self.devargs}" for s in slaves)
        env = {"LD_PRELOAD": PROGRAMS["connectx"], "DPVMA_QUEUES": "1", "VMA_TSO": str(int(self.tso))}
        if self.bond is None:
            env.update(CONNECTX_NETDEV="nic0", CONNECTX_WIRE=f"shm:{self.cable}")
        else:
            eal += f" --vdev={BOND},{self.bond}" + "".join(f",slave={s}" for s in slaves)
            env.update(DPVMA_PORTS=f"{BOND}={addr}/24", CONNECTX_NICS=";".join(
                f"wire=shm:{self.cable}{i} netdev=nic{i}" for i in range(2)))
        return self.spaces[addr], eal, env


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
        return self.spaces[addr], None, {"cpu": core(addr)}


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
