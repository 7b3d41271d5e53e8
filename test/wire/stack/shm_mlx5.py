#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Two hosts with a software ConnectX each, joined by its cable of shared memory: the stack at both ends
on mlx5, the kernels of both beside it, and what becomes of the cable when an end dies.
"""
import glob
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
from lab import (PROGRAMS, Agent, Failed, Space, Testpmd, check, equal, main, need_tun, pattern,
                 wait_for)
from midstream import ask

PORT = 5000
PACKETS = 30000
TX_RING = 1024
MPRQ = ("mprq_en=1,rxqs_min_mprq=1,mprq_max_memcpy_len=0,mprq_log_stride_size=11,"
        "mprq_log_stride_num=8,rxq_cqe_comp_en=0")
CABLE = f"dpvma-test-{os.getpid()}"


class Host:
    """A namespace with the kernel's side of a NIC in it."""

    def __init__(self, number, cable):
        need_tun()
        self.ip, self.cable = f"10.97.0.{number}", cable
        self.space = Space()
        self.space.ip("tuntap", "add", "nic0", "mode", "tap")
        self.space.ip("link", "set", "nic0", "address", f"02:97:00:00:00:0{number}", "up")
        self.space.ip("addr", "add", f"{self.ip}/24", "dev", "nic0")
        self.core = number % os.cpu_count()

    def env(self, **more):
        return dict(LD_PRELOAD=PROGRAMS["connectx"], CONNECTX_NETDEV="nic0", CONNECTX_VERBOSE="1",
                    CONNECTX_WIRE=f"shm:{self.cable}", DPVMA_QUEUES="1", **more)

    def agent(self):
        return Agent(self.space, f"-a 0000:03:00.0,{MPRQ} -l {self.core}", **self.env()).init()

    def testpmd(self, *options, wire="", **env):
        env = self.env(VMA_RX_BUFS="16384", VMA_TX_WRE=TX_RING, **env)
        env["CONNECTX_WIRE"] += wire
        return Testpmd(self.space, f"-l {self.core} -a 0000:03:00.0,{MPRQ}", *options,
                       megabytes=448, **env)

    def carrier(self):
        link = json.loads(self.space.ip("-j", "link", "show", "nic0"))[0]
        return "LOWER_UP" in link["flags"]

    def ping(self, other):
        self.space.run("ping", "-c", "3", "-i", "0.2", "-W", "5", other.ip)


def hosts(name):
    cable = f"{CABLE}-{name}"
    return Host(1, cable), Host(2, cable)


def files():
    return glob.glob(f"/dev/shm/connectx-*-{CABLE}*")


def exchange(server, client, to, sizes):
    fd = server.socket("0.0.0.0", PORT)
    server.echo(fd)
    c = client.socket()
    client.call("connect", c, to, PORT)
    for size in sizes:
        data = pattern(size, size + 1)
        # the first may wait for the kernels, which ask for each other's address over the cable
        for _ in range(50 if size == sizes[0] else 1):
            equal(client.send(c, data), size, "send")
            if client.call("poll", 200 if size == sizes[0] else 3000, f"{c}:1")[0] == "1":
                break
        else:
            raise Failed(f"no echo of {size} bytes")
        equal(client.recv(c)[0], data, f"echo of {size} bytes")
    check(server.stop_echo() >= len(sizes), "echoed")
    # fragments match no rule on ports: they are the kernel's
    whole = sum(size <= 1472 for size in sizes)
    for agent in (server, client):
        check(agent.counter("rx_packets") >= whole, "not received by the stack")
    server.call("close", fd)
    client.call("close", c)


def echo():
    """Every size there and back; the kernels behind the NICs speak over the same cable."""
    here, there = hosts("echo")
    server, client = there.agent(), here.agent()
    wait_for(lambda: here.carrier() and there.carrier(), "carrier at both ends")
    here.ping(there)
    there.ping(here)
    exchange(server, client, there.ip,
             [*range(0, 1473, 7), 1471, 1472, 1473, 2960, 9000, 32768, 65507])
    server.end()
    client.end()
    equal(files(), [], "left behind")


def stream(mode, size, compress=0):
    """A stream as fast as it is taken, every byte and number checked: flow control loses nothing."""
    name = f"{mode}-{size}-{compress}"
    here, there = hosts(name)
    receiver = there.testpmd(f"--modes={mode}", f"--size={size}", "--check", "--idle=3",
                             "--duration=40", "--num=8192", "--stride-bytes=1400",
                             "--min-packets=1000", wire=",lossless=1", CONNECTX_CQE_COMP=compress)
    sender = here.testpmd("--modes=send", f"--peer={there.ip}", f"--size={size}",
                          "--rate=200000", f"--packets={PACKETS}", "--batch=16", "--duration=40",
                          wire=",lossless=1")
    sent = sender.result()["counters"]["sockets"][0]["counters"]
    got = receiver.result()
    result = got["modes"][0]
    full = sum(s["counters"]["rx_drop_full"] for s in got["counters"]["sockets"])
    for counter in ("wrong", "bad_payload"):
        equal(result[counter], 0, f"{name}: {counter}")
    # what lies in its send queue when the sender ends goes with it
    gone = sent["tx_packets"] - result["packets"] - full
    check(0 <= gone < TX_RING, f"{name}: {result['packets']} received, {full} dropped of {sent}")
    # the sender itself drops what waits too long for the neighbour's address, or for the link
    check(result["lost"] <= full + sent["tx_drop"], f"{name}: {result['lost']} lost, {full} {sent}")
    check(sent["tx_packets"] > PACKETS // 2, f"{name}: {sent}")
    check(re.search("[1-9][0-9]* rx_delivered", receiver.out), receiver.out)


def streams():
    for size in (64, 1400):
        stream("recv", size)
        stream("cyclic", size)


def third():
    """A cable has two ends."""
    here, there = hosts("third")
    other = Host(3, here.cable)
    one, two = here.agent(), there.agent()
    late = Agent(other.space, f"-a 0000:03:00.0,{MPRQ} -l 0", **other.env())
    check(late.fails("init") == "ENODEV", "a third end")
    check(re.search("connectx: .*has two ends already", late.said()), late.said())
    one.end()
    two.end()
    late.kill()
    equal(files(), [], "left behind")


def killed():
    """An end dies: the other's link goes down, and up again with the next one in its place."""
    here, there = hosts("killed")
    client = here.agent()
    check(not here.carrier(), "a carrier, and nobody at the other end")
    server = there.agent()
    wait_for(here.carrier, "carrier")
    exchange(server, client, there.ip, [100, 1400])
    server.kill()
    wait_for(lambda: not here.carrier(), "no carrier, as the other end is dead")
    server = there.agent()
    wait_for(here.carrier, "carrier again")
    exchange(server, client, there.ip, [101, 1401])
    # both at once: the file is of no use to anybody, and the next start takes it away
    server.kill()
    client.kill()
    equal(len(files()), 1, "of two dead ends")
    others = hosts("other")
    one = others[0].agent()
    equal(files(), [f"/dev/shm/connectx-{os.geteuid()}-{others[0].cable}"], "after the next start")
    one.end()
    equal(files(), [], "left behind")


def unplugged():
    """A fault takes the link down at one end: it is down at both, and up at both again."""
    here, there = hosts("unplugged")
    server, client = there.agent(), here.agent()
    wait_for(lambda: here.carrier() and there.carrier(), "carrier")
    exchange(server, client, there.ip, [100])
    equal(ask(server, "fault mlx5_0 link=2s@time:+0ms"), "", "the answer")
    wait_for(lambda: not here.carrier() and not there.carrier(), "no carrier at either end")
    wait_for(lambda: here.carrier() and there.carrier(), "carrier again")
    exchange(server, client, there.ip, [101, 1401])
    check("explode" in ask(server, "fault mlx5_0 explode@packet:1"), "a fault that there is not")
    server.end()
    client.end()


main(echo, streams, third, killed, unplugged)
