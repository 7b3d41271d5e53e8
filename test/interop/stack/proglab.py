# SPDX-License-Identifier: BSD-3-Clause
"""
Unmodified programs under LD_PRELOAD, for the tests of them: how one is started over the software
ConnectX, with a kernel's namespace at the other end of the wire, or with dpvma at both ends of a
memif; and how much of what it moved the kernel saw, which is the proof that it was offloaded.
"""
import os
import re
import shutil
import signal
import subprocess

import lab
from lab import (HOST_IP, NET, NIC_MAC, PEER_IP, PROGRAMS, Failed, Space, check, equal, memory,
                 need_tun, small, wait_for)

PATIENCE = 60  # seconds that a program may take on a busy machine


def need(*names):
    for name in names:
        if shutil.which(name) is None:
            raise SystemExit(f"there is no {name}: install it, as test/run.sh does")


class Program:
    """A process in a namespace; what it prints goes to a log that a failing test shows."""

    def __init__(self, space, argv, env, stdin=subprocess.DEVNULL):
        self.name = f"{os.path.basename(argv[0])}-{len(lab.processes)}"
        self.log = os.path.join(lab.scratch, self.name + ".log")
        with open(self.log, "w") as out:
            self.p = space.start([str(a) for a in argv], env=env, stdin=stdin, stdout=out,
                                 stderr=subprocess.STDOUT, cwd=lab.scratch)

    def said(self):
        with open(self.log, errors="replace") as f:
            return re.sub(r"\x1b\[[0-9;]*m", "", f.read())

    def says(self, text, patience=PATIENCE):
        """Wait until it has printed that; the match."""
        def look():
            m = re.search(text, self.said())
            check(m or self.p.poll() is None, f"{self.name} ended with {self.p.poll()}")
            return m
        return wait_for(look, f"{self.name}: {text}", patience)

    def end(self, code=0, patience=PATIENCE):
        """It ends by itself; what it said."""
        try:
            got = self.p.wait(patience)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} does not end") from None
        equal(got, code, f"exit code of {self.name}")
        equal(lab.trace(self.p.pid), [], f"{self.name} left behind")
        return self.said()

    def stop(self, sig=signal.SIGTERM, codes=(0, -signal.SIGTERM), patience=PATIENCE):
        self.p.send_signal(sig)
        try:
            got = self.p.wait(patience)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} does not end by a signal") from None
        check(got in codes, f"{self.name} ended with {got}")
        lab.forget(self.p, None)
        return self.said()


class Nic:
    """
    The program's namespace has a software ConnectX with the kernel's device nic0, the peer's is the
    kernel's. The wire is a veth, which is there before and after any program.
    """

    def __init__(self):
        need("ip", "ethtool")
        need_tun()
        self.host, self.peer = Space(), Space()
        self.host.ip("tuntap", "add", "nic0", "mode", "tap")
        self.host.ip("link", "set", "nic0", "address", NIC_MAC, "up")
        self.host.ip("addr", "add", f"{HOST_IP}/{NET}", "dev", "nic0")
        self.host.ip("link", "add", "port0", "type", "veth", "peer", "name", "wire0", "netns",
                     self.peer.path)
        # a part of the wire: the kernel has no address there and answers for none
        self.host.sysctl("net.ipv4.conf.port0.arp_ignore", 8)
        self.host.ip("link", "set", "port0", "up", "promisc", "on")
        # frames of a wire are finished
        self.peer.run("ethtool", "-K", "wire0", "tx", "off")
        self.peer.ip("link", "set", "wire0", "txqueuelen", "10000", "up")
        self.peer.ip("addr", "add", f"{PEER_IP}/{NET}", "dev", "wire0")

    def environment(self, **env):
        return small(DPVMA_EAL_ARGS=f"-a 0000:03:00.0 -l 0 --no-telemetry {memory(320)}",
                     LD_PRELOAD=f"{PROGRAMS['preload']} {PROGRAMS['connectx']}",
                     CONNECTX_NETDEV="nic0", CONNECTX_WIRE="afp:port0", **env)

    def program(self, *argv, stdin=subprocess.DEVNULL, **env):
        """Preloaded."""
        return Program(self.host, argv, self.environment(**env), stdin)

    def kernel(self, *argv, stdin=subprocess.DEVNULL):
        """The peer's, as it is."""
        return Program(self.peer, argv, small(), stdin)

    def seen(self):
        """Packets that the kernel behind the port has received."""
        with self.host:
            out = self.host.run("cat", "/proc/net/dev")
        return int(re.search(r"nic0:\s*\d+\s+(\d+)", out)[1])

    def moved(self):
        """Packets that the peer has put on the wire."""
        out = self.peer.run("cat", "/proc/net/dev")
        return int(re.search(r"wire0:\s*(?:\d+\s+){9}(\d+)", out)[1])

    def overflowed(self):
        """Datagrams that the peer's kernel dropped, as their reader did not come for them in time."""
        names, numbers = [line.split() for line in self.peer.run("cat", "/proc/net/snmp").splitlines()
                          if line.startswith("Udp:")]
        return int(numbers[names.index("RcvbufErrors")])

    def offloaded(self, before, at_least):
        """Since (seen(), moved()): many packets came, and the kernel saw nearly none of them."""
        seen, moved = self.seen() - before[0], self.moved() - before[1]
        check(moved >= at_least, f"only {moved} packets came")
        check(seen <= 20 + moved // 100, f"the kernel saw {seen} of {moved} packets")


class Memif:
    """dpvma at both ends, in a namespace without devices."""

    ADDR = {"server": "10.98.0.2", "client": "10.98.0.1"}

    def __init__(self, name):
        self.space, self.path = Space(), os.path.join(lab.scratch, name)

    def program(self, role, *argv, **env):
        core = 0 if role == "server" else 1 % os.cpu_count()
        eal = (f"-l {core} --no-pci --no-telemetry {memory(320)} --vdev=net_memif0,role={role},id=0,"
               f"socket={self.path},socket-abstract=no,rsize=11")
        return Program(self.space, argv, small(
            DPVMA_EAL_ARGS=eal, LD_PRELOAD=PROGRAMS["preload"], DPVMA_QUEUES="1",
            DPVMA_PORTS=f"net_memif0={self.ADDR[role]}/24", **env))

    def server(self, *argv, **env):
        p = self.program("server", *argv, **env)
        wait_for(lambda: os.path.exists(self.path) or p.p.poll() is not None, "the memif's socket",
                 PATIENCE)
        check(p.p.poll() is None, f"{p.name} ended with {p.p.poll()}")
        return p
