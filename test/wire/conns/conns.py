#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Many connections and their rules, between two hosts with a software ConnectX each: thousands opened
and closed, with a rule for each that is opened; a thousand held, which get rules of their own where
they were accepted; and what becomes of connections when the device takes no more rules.
"""
import functools
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
import lab
from lab import PROGRAMS, Agent, Space, check, equal, main, memory, need_tun, small, wait_for

PORT = 7000
PROGRAM = os.path.abspath(sys.argv.pop(1))
CABLE = f"dpvma-conns-{os.getpid()}"
SERVER, CLIENT = "10.97.0.2", "10.97.0.1"


class Program(Agent):
    """conns in a namespace: a line of it is an answer."""

    def __init__(self, host, *args, megabytes=448, devargs="", **env):
        env = small(LD_PRELOAD=PROGRAMS["connectx"], CONNECTX_NETDEV="nic0",
                    CONNECTX_WIRE=f"shm:{CABLE},lossless=1", VMA_TX_BUFS=16384,
                    VMA_RX_BUFS=32768, VMA_RX_WRE=512, DPVMA_QUEUES=0,
                    DPVMA_EAL_ARGS=f"-a 0000:03:00.0{devargs} -l {host.core} --no-telemetry "
                                   + memory(megabytes), **env)
        self.log = open(os.path.join(lab.scratch, f"conns-{len(lab.processes)}.log"), "w+b")
        self.p = host.space.start([PROGRAM, *map(str, args)], env=env, stdin=lab.subprocess.PIPE,
                                  stdout=lab.subprocess.PIPE, stderr=self.log)
        self.pid, self.rest, self.awaited = self.p.pid, b"", 0

    def expect(self, word, patience=60):
        words = self.answer(patience)
        check(words is not None and words[0] == word, f"{word}: {words}\n{self.said()}")
        return words[1:]

    def rings(self):
        self.ask("rings")
        return {k: int(v) for k, v in (w.split("=") for w in self.expect("rings"))}

    def end(self):
        self.ask("quit")
        self.expect("bye")
        equal(self.p.wait(20), 0, "exit code")


class Host:
    def __init__(self, number, addr):
        self.addr, self.core = addr, number % os.cpu_count()
        self.space = Space()
        self.space.ip("tuntap", "add", "nic0", "mode", "tap")
        self.space.ip("link", "set", "nic0", "address", f"02:97:00:00:00:0{number}", "up")
        self.space.ip("addr", "add", f"{addr}/24", "dev", "nic0")


def hosts():
    need_tun()
    return Host(0, SERVER), Host(1, CLIENT)


def begin(server=None, client=None, listeners=1):
    """A server that is ready, and where the client is to be."""
    there, here = hosts()
    server = Program(there, "serve", SERVER, PORT, listeners, **(server or {}))
    server.expect("ready")
    return server, functools.partial(Program, here, **(client or {}))


QUEUE = {"devargs": ",dv_flow_en=2"}


def rate(n=3000, at_once=64, **nic):
    """Each connection that is opened has a rule while it lives; short ones that are accepted none."""
    server, client = begin(nic, nic)
    client = client("open", SERVER, PORT, n, at_once)
    words = client.expect("done")
    print("  ", *words, flush=True)
    equal(int(words[0]), n, "connections")
    wait_for(lambda: client.rings()["rules"] == 0, "rules of what is closed to go")
    equal(client.rings()["rules_refused"], 0, "refused")
    client.end()
    # one for its address
    equal(server.rings()["rules"], 1, "rules of the listener")
    server.end()


def stay(n=1000, size=5000, **nic):
    """Accepted ones get rules of their own, by which their bytes come from then on."""
    server, client = begin(nic, nic)
    client = client("hold", SERVER, PORT, n, size)
    client.expect("open")
    wait_for(lambda: server.rings()["rules"] == n + 1, "a rule for each that was accepted")
    equal(server.rings()["rules_extra"], n, "made for them")
    equal(client.rings()["rules"], n, "rules of the client's")
    client.ask("go")
    client.expect("done")
    client.end()
    wait_for(lambda: server.rings()["rules"] == 1, "rules of connections to go with them")
    server.end()


def three(n=200, size=2000):
    """With VMA_TCP_3T_RULES=1 a listener has one, and connections that were accepted none."""
    server, client = begin({"VMA_TCP_3T_RULES": 1}, {"VMA_TCP_3T_RULES": 1})
    client = client("hold", SERVER, PORT, n, size)
    client.expect("open")
    client.ask("go")
    client.expect("done")
    rings = server.rings()
    equal((rings["rules"], rings["rules_extra"]), (1, 0), "rules of the server")
    client.end()
    server.end()


def rate_by_queue():
    """The same with rules that a queue makes."""
    rate(**QUEUE)


def stay_by_queue():
    stay(**QUEUE)


def moved(client, server):
    client.ask("go")
    client.expect("done")
    client.end()
    server.end()


def ran_out(n=200, rules=50, size=5000):
    """The kernel has those connections that the device has no rule for, and says why."""
    server, client = begin({"CONNECTX_RULES": rules}, {"CONNECTX_RULES": rules})
    client = client("hold", SERVER, PORT, n, size)
    client.expect("open")
    wait_for(lambda: server.rings()["rules_refused"] > 0, "the server's to run out")
    client.ask("why")
    count, *why = client.expect("why")
    equal(int(count), n - rules, "connections of the kernel's")
    check("has no room for the steering rule" in " ".join(why), why)
    rings = client.rings()
    equal((rings["rules"], rings["rules_refused"]), (rules, n - rules), "rules, refused")
    # the listener's rule brings the rest
    equal(server.rings()["rules"], rules, "rules of the server's")
    moved(client, server)


def ran_out_listening(size=5000):
    """The second listener is the kernel's."""
    server, client = begin({"CONNECTX_RULES": 1}, listeners=2)
    server.ask("why")
    count, *why = server.expect("why")
    equal(int(count), 1, "listeners of the kernel's")
    check("has no room for the steering rule" in " ".join(why), why)
    client = client("hold", SERVER, PORT + 1, 20, size)
    client.expect("open")
    moved(client, server)


def shared(size=100000):
    """A connection from the number of a listener needs no rule of its own."""
    server, client = begin(client={"CONNECTX_RULES": 1})
    client = client("share", SERVER, PORT, size)
    client.expect("open")
    rings = client.rings()
    equal((rings["rules"], rings["rules_refused"], rings["rules_shared"]), (1, 1, 1), "rules")
    client.ask("why")
    equal(client.expect("why")[0], "0", "connections of the kernel's")
    moved(client, server)


main(rate, stay, three, rate_by_queue, stay_by_queue, ran_out, ran_out_listening, shared)
