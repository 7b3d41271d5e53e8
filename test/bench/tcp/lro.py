#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
test/bench/tcp/lro.py [--build=DIR] [--seconds=N] [--rounds=N] [--size=BYTES]: what a receiver of one TCP
stream pays for a byte, MTU 1500: as the segments come, with those of a burst put together by software
(GRO), and with LRO. Over the cable between two software ConnectX, with striding queues and plain ones, and over
memif. The bar: LRO costs at least 2 times less than neither. The settings take turns, the median
counts. dpvma-testpmd counts the calls that brought bytes, so the receiver needs a processor of its own:
it has the first, all else the second.
"""
import argparse
import json
import os
import statistics
import sys

HERE_DIR = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE_DIR, "../../..")
sys.path[:0] = [os.path.join(TOP, "test/interop/stack"), os.path.join(TOP, "test/wire/stack")]
parser = argparse.ArgumentParser(description="cycles of a TCP receiver with LRO and GRO")
parser.add_argument("--build", default=os.path.join(TOP, "build"))
parser.add_argument("--seconds", type=int, default=5)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--size", type=int, default=65536, help="bytes of a send and of a receive")
args = parser.parse_args()
sys.argv[1:] = []
os.environ["STACK_PROGRAMS"] = json.dumps(
    {"testpmd": os.path.join(args.build, "app/testpmd/dpvma-testpmd"),
     "connectx": os.path.join(args.build, "drivers/sim/connectx/libdpvma-connectx.so")})

import lab
from lab import Testpmd
from wires import Cable, HERE, Memif, THERE

STRIDING = (",mprq_en=1,rxqs_min_mprq=1,mprq_log_stride_num=8,mprq_log_stride_size=11,"
            "mprq_max_memcpy_len=0,rxq_cqe_comp_en=0")
# The device threads and the library's own keep to the other processor.
ASIDE = {"CONNECTX_CPU": "1", "VMA_INTERNAL_THREAD_AFFINITY": "1"}


SETTINGS = {
    "neither": {"DPVMA_LRO": "off", "VMA_GRO_STREAMS_MAX": "0"},
    "GRO": {"DPVMA_LRO": "off", "VMA_GRO_STREAMS_MAX": "32"},
    "LRO": {"DPVMA_LRO": "on"},
}


def cycles_per_byte(wire, **setting):
    """Of the receiver; how many segments a packet held for the engine; Gbit/s."""
    def begin(addr, *more, **env):
        space, eal, own = wire.at(addr)
        return Testpmd(space, eal, "--mode=stream", f"--size={args.size}", *more, ready=False,
                       megabytes=512, **{**own, **ASIDE, "VMA_RX_BUFS": "32768", **env})

    waits = begin(HERE, "--duration=120", "--linger=60", **setting)
    lab.wait_for(lambda: "READY" in waits.said(), "READY", 60)
    begin(THERE, f"--peer={HERE}", f"--duration={args.seconds}", **SETTINGS["neither"]).result(
        args.seconds + 60)
    got = waits.result(60)
    mode = got["modes"][0]
    ring, tcp = (got["counters"][kind][0]["counters"] for kind in ("rings", "tcp"))
    packets = ring["rx_packets"] - ring["gro_segs"] + ring["gro_packets"]
    return (mode["cycles_per_packet"] * mode["packets"] / mode["bytes"],
            tcp["segs_in"] / packets, mode["gbit_per_second"])


def measure():
    print("| wire | | cycles/byte | segments a packet | Gbit/s |\n|---|---|---|---|---|")
    for name, wire, settings in (
            ("striding queues", Cable("striding", devargs=STRIDING), ("neither", "GRO", "LRO")),
            ("plain queues", Cable("plain"), ("neither", "GRO", "LRO")),
            ("memif", Memif("bench"), ("neither", "GRO"))):
        rounds = [[cycles_per_byte(wire, **SETTINGS[one]) for one in settings]
                  for _ in range(args.rounds)]
        median = {one: [statistics.median(column) for column in zip(*results)]
                  for one, results in zip(settings, zip(*rounds))}
        for one, (cost, segments, rate) in median.items():
            print(f"| {name} | {one} | {cost:.3f} | {segments:.1f} | {rate:.2f} |", flush=True)
        for one in settings[1:]:
            print(f"{name}: {median['neither'][0] / median[one][0]:.2f} times less with {one}"
                  + ("; the bar is 2" if one == "LRO" else ""), flush=True)


lab.main(measure)
