#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Segments that the device puts together (LRO), over the cable between two software ConnectX, with
striding buffers and without, and those that are put together here (GRO), there and over memif: the
bytes are the same with it and without it, also where segments are lost, doubled and reordered, and
counters tell which it was.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
import lab
from lab import Testpmd, check, equal, main
from wires import Cable, HERE, Memif, THERE

SECONDS = 1
STRIDING = (",mprq_en=1,rxqs_min_mprq=1,mprq_log_stride_num=8,mprq_log_stride_size=11,"
            "mprq_max_memcpy_len=0,rxq_cqe_comp_en=0")
FAULTS = "seed:11,rx.drop@rate:0.002,rx.reorder=4@rate:0.002,rx.dup@rate:0.001"


def bulk(wire, sockets=1, **env):
    """
    A stream from THERE to HERE, each byte compared. @return counters of the receiver's rings, and
    of its TCP
    """
    def begin(addr, *more, **env):
        space, eal, own = wire.at(addr)
        return Testpmd(space, eal, "--mode=stream", "--size=32768", "--check", *more, ready=False,
                       **{**own, **env})

    waits = begin(HERE, "--duration=60", "--linger=20", **env)
    lab.wait_for(lambda: "READY" in waits.said(), "READY")
    goes = begin(THERE, f"--peer={HERE}", f"--duration={SECONDS}", f"--sockets={sockets}",
                 DPVMA_LRO="off")
    sent, got = goes.result(), waits.result()
    ours, theirs = got["modes"][0], sent["modes"][0]
    equal((ours["bad_payload"], ours["failed"], ours["connections"]), (0, 0, sockets), "stream")
    equal(ours["bytes"], theirs["bytes"], "bytes received and sent")
    check(ours["bytes"] > 1 << 20, f"only {ours['bytes']} bytes")
    ring, tcp = ({name: sum(one["counters"][name] for one in got["counters"][kind]) for name in names}
                 for kind, names in (("rings", ("rx_packets", "lro_packets", "lro_segs",
                                                "gro_packets", "gro_segs")),
                                     ("tcp", ("segs_in", "ooo_in", "drop_window"))))
    print(f"   {ours['gbit_per_second']:.2f} Gbit/s, {tcp['segs_in']} segments in "
          f"{ring['rx_packets']} packets, {ring['lro_segs']} put together to {ring['lro_packets']} by "
          f"the device, {ring['gro_segs']} to {ring['gro_packets']} here", flush=True)
    return ring, tcp


def put_together(wire, by="lro", **env):
    ring, tcp = bulk(wire, **env)
    packets, segs = ring[f"{by}_packets"], ring[f"{by}_segs"]
    check(packets > 0 and segs >= 2 * packets, f"put together: {ring}")
    other = "gro" if by == "lro" else "lro"
    equal((ring[f"{other}_packets"], ring[f"{other}_segs"]), (0, 0), f"by {other}")
    # the engine counts what was on the wire
    alone = ring["rx_packets"] - (packets if by == "lro" else segs)
    check(abs(tcp["segs_in"] - segs - alone) <= 8, f"{ring} {tcp}")
    return tcp


def apart(wire, **env):
    ring, tcp = bulk(wire, **env)
    equal([ring[f"{by}_{what}"] for by in ("lro", "gro") for what in ("packets", "segs")], [0] * 4,
          "put together")


def strides():
    wire = Cable("strides", devargs=STRIDING)
    put_together(wire, sockets=20)
    put_together(wire, VMA_GRO_STREAMS_MAX="0", DPVMA_LRO="on")
    apart(wire, VMA_GRO_STREAMS_MAX="0")


def buffers():
    wire = Cable("buffers")
    put_together(wire)
    put_together(wire, by="gro", DPVMA_LRO="off")


def memif():
    wire = Memif("lro")
    put_together(wire, by="gro")
    apart(wire, VMA_GRO_STREAMS_MAX="0")


def faults():
    """Every one of them in mid-stream."""
    for devargs, by, lro in ((STRIDING, "lro", "auto"), ("", "lro", "auto"), ("", "gro", "off")):
        wire = Cable(f"faults-{by}{len(devargs)}", devargs=devargs)
        tcp = put_together(wire, by, sockets=4, DPVMA_LRO=lro, CONNECTX_FAULTS=FAULTS)
        check(tcp["ooo_in"] > 0, "nothing came out of order")


main(strides, buffers, memif, faults)
