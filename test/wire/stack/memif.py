#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
The stack at both ends of a memif: no kernel, no flow rules, no checksum offload. Every size is
echoed, fragments included, and dpvma-testpmd's receive modes see every packet of a modest stream.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
import lab
from lab import Agent, Failed, Space, Testpmd, check, equal, main, pattern

HERE, THERE, PORT = "10.98.0.2", "10.98.0.1", 5000
MEMIF_MTU = 1500
PACKETS, RATE = 20000, 100000
MACS = {HERE: "02:98:00:00:00:02", THERE: "02:98:00:00:00:01"}
RING_LOG = 11


def eal(role, name):
    path = os.path.join(lab.scratch, name)
    core = 0 if role == "server" else 1 % os.cpu_count()
    return (f"-l {core} --no-pci --vdev=net_memif0,role={role},id=0,socket={path},"
            f"socket-abstract=no,rsize={RING_LOG},mac={MACS[HERE if role == 'server' else THERE]}")


def ports(addr, *known):
    """With known neighbours, where it is to be told what becomes of each packet."""
    neighbours = "".join(f",neigh={k}@{MACS[k]}" for k in known)
    return {"DPVMA_PORTS": f"net_memif0={addr}/24{neighbours}", "DPVMA_QUEUES": "1"}


def echo():
    """All sizes there and back; ARP is ours at both ends."""
    space = Space()
    server = Agent(space, eal("server", "echo"), **ports(HERE)).init()
    client = Agent(space, eal("client", "echo"), **ports(THERE)).init()
    fd = server.socket("0.0.0.0", PORT)
    server.echo(fd)
    c = client.socket()
    client.call("connect", c, HERE, PORT)
    sizes = list(range(0, 1473, 7)) + [1471, 1472, 1473, 1480, 2960, 9000, 32768, 65506, 65507]
    for size in sizes:
        data = pattern(size, size + 1)
        # the first may find no link yet, and a neighbour that has to be asked for
        for _ in range(50 if size == 0 else 1):
            equal(client.send(c, data), size, "send")
            if client.call("poll", 200 if size == 0 else 3000, f"{c}:1")[0] == "1":
                break
        else:
            raise Failed(f"no echo of {size} bytes: {server.stop_echo()} {server.dump()}")
        got, source, _, _ = client.recv(c)
        equal(got, data, f"echo of {size} bytes")
        equal(source, (HERE, PORT), "who echoed")
    check(server.stop_echo() >= len(sizes), "echoed")
    # IPv4 header, UDP header and 8-byte steps: pieces of a datagram
    pieces = sum(-(-(size + 8) // ((MEMIF_MTU - 20) // 8 * 8)) for size in sizes if size > 1472)
    for agent in (server, client):
        rings = agent.dump()["rings"]
        equal(sum(r["counters"]["fragments_in"] for r in rings), pieces, "fragments")
        equal(sum(r["counters"]["reassembled"] for r in rings), 7, "datagrams put together")
        check(sum(r["counters"]["arp_in"] for r in rings) >= 1, "ARP heard")
        for name in ("drop_fragment", "drop_udp_checksum", "drop_ip_checksum", "drop_short"):
            equal(sum(r["counters"][name] for r in rings), 0, name)
    # a port that nobody has: this stack answers, and the connected socket hears of it
    other = client.socket()
    client.call("connect", other, HERE, PORT + 1)
    client.send(other, b"anybody?")
    # the error ends a receive
    equal(client.fails("recv", other, 0), "ECONNREFUSED", "port unreachable")
    equal(server.counter("icmp_unreachable_out"), 1, "port unreachable sent")
    server.end()
    client.end()


def stream(mode, ring_mode, size, **more):
    """A stream between two dpvma-testpmd, every byte and every number checked."""
    name = f"{mode}-{ring_mode}-{size}"
    space = Space()
    receiver = Testpmd(space, eal("server", name), f"--modes={mode}", f"--ring-mode={ring_mode}",
                       f"--size={size}", "--check", "--idle=0.5", "--duration=20", "--num=4096",
                       "--min-packets=1000", **ports(HERE), **more)
    sender = Testpmd(space, eal("client", name), "--modes=send", f"--peer={HERE}",
                     f"--size={size}", f"--rate={RATE}", f"--packets={PACKETS}", "--batch=16",
                     "--duration=20", "--linger=30", **ports(THERE, HERE))
    got = receiver.result()
    sent = sender.result()["counters"]["sockets"][0]["counters"]
    result = got["modes"][0]
    equal(result["wrong"], 0, f"{name}: numbers that go backwards")
    equal(result["bad_payload"], 0, f"{name}: payloads")
    # a receiver that waits for its processor lets the ring run full, and the sender counts it; or
    # the library's own thread takes them from there, until the socket's queue is full
    full = sum(s["counters"]["rx_drop_full"] for s in got["counters"]["sockets"])
    check(result["lost"] <= sent["tx_drop"] + full,
          f"{name}: {result['lost']} numbers missing, {full} of a full queue, {sent}")
    equal(sent["tx_packets"] + sent["tx_drop"], PACKETS, f"{name}: sent, and without a link")
    # what lies in the memif when the sender ends goes with it
    check(0 <= sent["tx_packets"] - full - result["packets"] < 1 << RING_LOG,
          f"{name}: {sent['tx_packets']} sent, {result['packets']} received")
    if mode == "cyclic":
        counters = got["counters"]["cyclic"][0]["counters"]
        equal(counters["packets"], result["packets"], f"{name}: counted by the reader")
        check(result["mean_run"] >= 1, f"{name}: runs")


def recv():
    for size in (64, 1400):
        stream("recv", "padded", size)


def extra_api():
    """The other ways to take packets from sockets."""
    for mode in ("zcopy", "callback", "xtreme"):
        for size in (64, 1400):
            stream(mode, "padded", size, VMA_SOCKETXTREME=int(mode == "xtreme"))


def cyclic_padded():
    for size in (64, 1400):
        stream("cyclic", "padded", size)


def cyclic_raw():
    stream("cyclic", "raw", 200)


def cyclic_strip():
    stream("cyclic", "strip", 200)


def cyclic_separate():
    stream("cyclic", "separate", 200)


main(echo, recv, extra_api, cyclic_padded, cyclic_raw, cyclic_strip, cyclic_separate)
