#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Frames that are wrong in one way each: none is delivered, each is counted under its reason, and the
good one after it arrives. On a tap the stack looks at all itself; on mlx5 the device judges sums.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import (HOST_IP, NIC_MAC, PEER_IP, Mlx5Wire, Tap, equal, ether, ipv4, mac, main, udp)

PORT, NOBODY = 6200, 6299
TIMES = 3
ME, YOU = Tap.IP, Tap.PEER_IP


def datagram(data=b"bad", dst=ME, port=PORT, src=YOU, **wrong):
    return udp(src, dst, 4000, port, data, **wrong)


def inject(agent, wire, fd, frames, good):
    """Each frame some times; its counter grows by that, and nothing else is delivered."""
    for name, counter, frame in frames:
        before = agent.counter(counter)
        for _ in range(TIMES):
            wire.send(frame)
        wire.send(good)
        # behind the bad ones: when it is here, they were looked at
        equal(agent.recv(fd)[0], b"good", f"after {name}")
        equal(agent.counter(counter) - before, TIMES, f"{name}: {counter}")
    agent.nothing(fd)


def on_tap():
    tap = Tap()
    agent = tap.agent
    ours, theirs = tap.macs()
    wire = tap.space.packets("dtap0")
    fd = agent.socket(ME, PORT)
    any_fd = agent.socket("0.0.0.0", PORT + 1)

    def frame(packet, dst=ours, **more):
        return ether(dst, theirs, packet, **more)

    good = frame(ipv4(YOU, ME, datagram(b"good")))
    bad = datagram()
    frames = [
        ("a wrong IP checksum", "drop_ip_checksum", frame(ipv4(YOU, ME, bad, check=0x1234))),
        ("a wrong UDP checksum", "drop_udp_checksum",
         frame(ipv4(YOU, ME, datagram(check=0x1234)))),
        ("IP version 5", "drop_ip_header", frame(ipv4(YOU, ME, bad, version=5))),
        ("a header of 16 bytes", "drop_ip_header", frame(ipv4(YOU, ME, bad, ihl=4))),
        ("an IP length beyond the frame", "drop_short", frame(ipv4(YOU, ME, bad, total=1000))),
        ("a frame that ends in the IP header", "drop_short",
         mac(ours) + mac(theirs) + b"\x08\0" + ipv4(YOU, ME, bad)[:12]),
        ("a UDP length beyond the packet", "drop_udp_length",
         frame(ipv4(YOU, ME, datagram(length=500)))),
        ("a UDP length below its header", "drop_udp_length",
         frame(ipv4(YOU, ME, datagram(length=7)))),
        ("half a UDP header", "drop_udp_length", frame(ipv4(YOU, ME, bad[:4]))),
        ("another host's MAC", "drop_not_ours",
         frame(ipv4(YOU, ME, bad), dst="02:00:00:00:00:77")),
        ("another host's address", "drop_not_ours",
         frame(ipv4(YOU, "10.97.0.77", datagram(dst="10.97.0.77")))),
        ("a group that nobody joined", "drop_not_ours",
         ether("01:00:5e:01:01:01", theirs, ipv4(YOU, "239.1.1.1", datagram(dst="239.1.1.1")))),
        ("a port that nobody has", "drop_no_socket", frame(ipv4(YOU, ME, datagram(port=NOBODY)))),
        # an address is the port's on its VLAN only, also for who is bound to any
        ("a VLAN without address", "drop_not_ours", frame(ipv4(YOU, ME, bad), vlan=7)),
        ("a VLAN without address, any", "drop_not_ours",
         frame(ipv4(YOU, ME, datagram(port=PORT + 1)), vlan=7)),
        ("an unknown Ethernet type", "drop_ethertype", frame(bytes(50), kind=0x88b5)),
        ("an unknown protocol", "drop_protocol", frame(ipv4(YOU, ME, bad, proto=99))),
        # the last piece says that the datagram is longer than one can be: RFC 791
        ("a fragment beyond 65535 bytes", "drop_fragment",
         frame(ipv4(YOU, ME, bytes(64), offset=0x1fff))),
    ]
    inject(agent, wire, fd, frames, good)
    agent.nothing(any_fd)
    # without a checksum at all, with a tag of priority only, with padding: right, RFC 768, 802.1Q
    for text, packet, more in ((b"no sum", datagram(b"no sum", check=0), {}),
                               (b"tagged", datagram(b"tagged"), {"vlan": 0})):
        wire.send(frame(ipv4(YOU, ME, packet), **more))
        equal(agent.recv(fd)[0], text, "a frame that is right")
    agent.end()


def on_mlx5():
    """The device says which sums are wrong; what its rules do not take is not ours to count."""
    lab = Mlx5Wire()
    agent = lab.agent()
    lab.warm()
    wire = lab.peer.packets("wire0")
    fd = agent.socket(HOST_IP, PORT)

    def frame(packet):
        return ether(NIC_MAC, "02:00:00:00:00:01", packet)

    def at(data=b"bad", **wrong):
        return datagram(data, HOST_IP, src=PEER_IP, **wrong)

    good = frame(ipv4(PEER_IP, HOST_IP, at(b"good")))
    frames = [
        ("a wrong IP checksum", "drop_ip_checksum",
         frame(ipv4(PEER_IP, HOST_IP, at(), check=0x1234))),
        ("a wrong UDP checksum", "drop_udp_checksum",
         frame(ipv4(PEER_IP, HOST_IP, at(check=0x1234)))),
        ("another host's MAC", "drop_not_ours",
         ether("02:00:00:00:00:77", "02:00:00:00:00:01", ipv4(PEER_IP, HOST_IP, at()))),
    ]
    inject(agent, wire, fd, frames, good)
    before = agent.counter("rx_packets")
    for wrong in (frame(ipv4(PEER_IP, "10.99.0.77", datagram(dst="10.99.0.77", src=PEER_IP))),
                  frame(ipv4(PEER_IP, HOST_IP, datagram(dst=HOST_IP, src=PEER_IP, port=NOBODY)))):
        wire.send(wrong)
    wire.send(good)
    equal(agent.recv(fd)[0], b"good", "after what is not ours")
    agent.nothing(fd)
    equal(agent.counter("rx_packets") - before, 1, "packets that the rules let in")
    agent.end()


main(on_tap, on_mlx5)
