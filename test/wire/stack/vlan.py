#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Addresses in a VLAN beside one without a tag on the same port, the stack at both ends: TCP and UDP
over a memif, where dpvma resolves the neighbours of each, and over the cable between two software
ConnectX, with a rule for the VLAN.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
import tcplab
from lab import check, equal, main, pattern
from midstream import agent, model
from wires import Cable, HERE, Memif, THERE, mac

TAGGED = {HERE: "10.97.0.2", THERE: "10.97.0.1"}
VLAN = 7
MB = 1 << 20
PORT = 5300
# of what a frame carries, one less, one more, and fragments
SIZES = [0, 1, 17, 18, 64, 500, 1468, 1471, 1472]
FRAGMENTS = [1473, 2960, 9000, 65507]


def ports(name, addr, vlan=VLAN, neigh=False):
    other = THERE if addr == HERE else HERE
    text = f"{name}={addr}/24,{TAGGED[addr]}/24@{vlan}"
    return text + (f",neigh={TAGGED[other]}@{mac(other)}" if neigh else "")


def benches(wire, name, **more):
    """On the addresses without a tag, and on those with one; the same two agents."""
    ours, theirs = (agent(wire, addr, DPVMA_PORTS=ports(name, addr, **more))
                    for addr in (HERE, THERE))
    for one, addr in ((ours, HERE), (theirs, THERE)):
        one.socket(addr, 1)  # a port without a ring answers nobody
    return (tcplab.Bench(ours, HERE, theirs, THERE),
            tcplab.Bench(ours, TAGGED[HERE], theirs, TAGGED[THERE]))


def datagrams(b, sizes):
    """There and back, from the address that was asked."""
    fd = b.theirs.socket("0.0.0.0", PORT)
    b.theirs.echo(fd)
    c = b.ours.socket()
    for size in sizes:
        data = pattern(size, size + 1)
        equal(b.ours.send(c, data, (b.their_ip, PORT)), size, "sent")
        got, where, _, _ = b.ours.recv(c)
        equal((got, where), (data, (b.their_ip, PORT)), f"echo of {size} bytes")
    check(b.theirs.stop_echo() >= len(sizes), "echoed")
    b.ours.call("close", c)
    b.theirs.call("close", fd)


def streams(plain, tagged, size):
    for b in (plain, tagged):
        for active in ("ours", "theirs"):
            tcplab.exchange(b, active, size)
    # side by side
    fds = [(b, *b.pair("ours")) for b in (plain, tagged)]
    flows = []
    for seed, (b, ours, theirs) in enumerate(fds):
        flows += [tcplab.Flow(b.ours, ours, b.theirs, theirs, size, 2 * seed + 1),
                  tcplab.Flow(b.theirs, theirs, b.ours, ours, size, 2 * seed + 2)]
    tcplab.move(flows)
    for b, ours, theirs in fds:
        tcplab.orderly(b, ours, theirs)


def strict(b):
    """A socket on the address without a tag does not hear of the VLAN, and the other way round."""
    for near, far in ((HERE, TAGGED[THERE]), (TAGGED[HERE], THERE)):
        fd = b.theirs.socket(near.replace(".2", ".1"), PORT)
        c = b.ours.socket()
        b.ours.send(c, b"x", (far, PORT))
        b.theirs.nothing(fd)
        b.ours.call("close", c)
        b.theirs.call("close", fd)


def end(*agents):
    for one in agents:
        for name in ("drop_tcp", "drop_ip_checksum", "drop_short"):
            equal(one.counter(name), 0, name)
        one.end()


def over_memif():
    plain, tagged = benches(Memif("vlan"), "net_memif0")
    streams(plain, tagged, 2 * MB)
    for b in (plain, tagged):
        datagrams(b, SIZES + FRAGMENTS)
    strict(tagged)
    end(plain.ours, plain.theirs)


def other_vlan():
    """Tags are on the wire: with another one at the other end nobody is there."""
    wire = Memif("other")
    ours = agent(wire, HERE, DPVMA_PORTS=ports("net_memif0", HERE))
    ours.socket(HERE, 1)
    theirs = agent(wire, THERE, DPVMA_PORTS=ports("net_memif0", THERE, VLAN + 1))
    theirs.socket(THERE, 1)
    b = tcplab.Bench(ours, HERE, theirs, THERE)
    tcplab.exchange(b, "ours", 1000)
    b.listen(theirs, TAGGED[THERE])
    fd = ours.number("socket", "stream")
    equal(ours.fails("connect", fd, TAGGED[THERE], b.port), "EHOSTUNREACH", "another VLAN")
    end(ours, theirs)


def over_cable():
    wire = Cable("vlan")
    for addr, space in wire.spaces.items():
        space.ip("addr", "add", f"{TAGGED[addr]}/32", "dev", "lo") # the kernel reserves numbers
    plain, tagged = benches(wire, "0000:03:00.0", neigh=True)
    streams(plain, tagged, 8 * MB)
    for b in (plain, tagged):
        datagrams(b, SIZES)
    size = tagged.ours.counter("tx_bytes") / tagged.ours.counter("tx_packets")
    check(size > 1514, f"frames of {size:.0f} bytes on an average: no segmentation by the device")
    for one in (plain.ours, plain.theirs):
        equal(model(one)["rx_too_long"], 0, "frames that are too long with a tag")
    end(plain.ours, plain.theirs)


main(over_memif, other_vlan, over_cable)
