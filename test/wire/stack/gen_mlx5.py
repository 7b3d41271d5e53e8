#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
dpvma-testpmd on mlx5 with striding queues, the software ConnectX making numbered datagrams as fast
as they are taken: each way to receive sees every one of them once, in order, with the right bytes.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
from lab import HOST_IP, PROGRAMS, Mlx5Wire, Testpmd, check, equal, main

PORT = 5000
PACKETS = 50000
# payload: logarithms of stride and of strides in a buffer; frame and headroom are to fit in
GEOMETRY = {16: (8, 10), 64: (8, 10), 86: (8, 10), 200: (9, 9), 470: (10, 9), 1400: (11, 8),
            1472: (11, 6)}
wires = None


def setup():
    global wires
    wires = Mlx5Wire()


def receive(size, *options, sockets=1, compress=0, wire="", packets=PACKETS, geometry=None,
            bare=False, **env):
    """dpvma-testpmd's result; whatever it is told to do, all must arrive."""
    stride, strides = geometry or GEOMETRY[size]
    eal = ("-l 0 -a 0000:03:00.0,mprq_en=1,rxqs_min_mprq=1,mprq_max_memcpy_len=0,"
           f"mprq_log_stride_size={stride},mprq_log_stride_num={strides},"
           f"rxq_cqe_comp_en={compress}")
    run = Testpmd(wires.host, eal, f"--size={size}", "--check", f"--packets={packets}",
                  "--idle=0.7", "--duration=25", f"--sockets={sockets}", f"--udp-port={PORT}",
                  *options,
                  megabytes=448, LD_PRELOAD=PROGRAMS["connectx"], CONNECTX_NETDEV="nic0",
                  CONNECTX_CQE_COMP=compress, CONNECTX_VERBOSE="1",
                  CONNECTX_WIRE=f"gen:dst={HOST_IP},port={PORT},ports={sockets},size={size},"
                  f"count={packets}{wire}", VMA_RX_BUFS="16384",
                  DPVMA_QUEUES="1", **env)
    got = run.result()
    # the PMD does not tell whether they were
    squeezed = re.search("[1-9][0-9]* comp_cqes", run.out) is not None
    equal(squeezed, bool(compress), "completions compressed")
    what = f"{size} bytes {' '.join(options)}"
    result = got["modes"][0]
    total = result["packets"]
    if bare:
        # what the library took before the mode began is in its own counters
        total += got["counters"]["rings"][0]["counters"]["rx_packets"]
    # a reader that had to wait for its processor finds its queue full, which the socket counts
    full = 0 if bare else sum(s["counters"]["rx_drop_full"] for s in got["counters"]["sockets"])
    check(full < packets // 10, f"{what}: {full} dropped as the queue was full")
    check(total + full == packets, f"{what}: {total} of {packets}, {full} dropped\n{run.out}\n{got}")
    check(result["lost"] <= full, f"{what}: {result['lost']} lost")
    for name in ("wrong", "bad_payload"):
        equal(result[name], 0, f"{what}: {name}")
    return got


def cyclic(size, mode="padded", **more):
    stride = (more.get("geometry") or GEOMETRY[size])[0]
    got = receive(size, "--modes=cyclic", f"--ring-mode={mode}", "--num=8192",
                  f"--stride-bytes={(1 << stride) - 64}", **more)
    reader = got["counters"]["cyclic"][0]["counters"]
    equal(reader["packets"], PACKETS, "counted by the reader")
    return got["modes"][0], reader


def recv():
    for size in GEOMETRY:
        receive(size, "--modes=recv")


def no_copies(got, what, **counters):
    """Packets came the way the mode is for, and what was lent is back."""
    equal(got["modes"][0]["copied"], 0, f"{what}: packets that were copied")
    for name, want in counters.items():
        equal(sum(s["counters"][name] for s in got["counters"]["sockets"]), want, f"{what}: {name}")


def zcopy():
    for size in GEOMETRY:
        got = receive(size, "--modes=zcopy")
        n = got["modes"][0]["packets"]
        no_copies(got, f"zcopy, {size} bytes", rx_lent=n, rx_lent_back=n)


def callback():
    for size in GEOMETRY:
        got = receive(size, "--modes=callback")
        # what the internal thread took before the first window was queued, and read
        rest = got["modes"][0]["copied"]
        got["modes"][0]["copied"] = 0
        no_copies(got, f"callback, {size} bytes",
                  rx_callback_drop=got["modes"][0]["packets"] - rest)
        check(rest < PACKETS // 2, f"{rest} of {PACKETS} came before there was a callback")


def xtreme():
    for size in GEOMETRY:
        got = receive(size, "--modes=xtreme", VMA_SOCKETXTREME="1")
        n = got["modes"][0]["packets"]
        no_copies(got, f"xtreme, {size} bytes", rx_lent=n, rx_lent_back=n)


def in_turns():
    """All ways on one wire and one queue, each for a window: none leaves a packet to the next."""
    modes = ("rxonly", "recv", "zcopy", "callback", "xtreme")
    for sockets in (1, 8):
        run = Testpmd(
            wires.host, "-l 0 -a 0000:03:00.0,mprq_en=1,rxqs_min_mprq=1,mprq_max_memcpy_len=0,"
            "mprq_log_stride_size=8,mprq_log_stride_num=10,rxq_cqe_comp_en=0",
            f"--modes={','.join(modes)}", "--size=64", "--check", "--window-ms=20", "--duration=2",
            f"--udp-port={PORT}", f"--sockets={sockets}", "--min-packets=1000", megabytes=448,
            LD_PRELOAD=PROGRAMS["connectx"], CONNECTX_NETDEV="nic0", VMA_RX_BUFS="16384",
            CONNECTX_WIRE=f"gen:dst={HOST_IP},port={PORT},ports={sockets},size=64",
            DPVMA_QUEUES="1", VMA_SOCKETXTREME="1")
        got = run.result()
        equal(got["base"], "rxonly", "what the others are held against")
        for mode in got["modes"]:
            what = f"{mode['mode']}, {sockets} sockets"
            for name in ("wrong", "bad_payload", "copied", "failed"):
                equal(mode[name], 0, f"{what}: {name}")
            full = sum(s["counters"]["rx_drop_full"] for s in got["counters"]["sockets"])
            check(mode["lost"] <= full, f"{what}: {mode['lost']} lost, {full} dropped")
            check(mode["windows"] >= 10, f"{what}: {mode['windows']} windows")
        by_name = {m["mode"]: m["packets"] for m in got["modes"]}
        counters = {name: sum(s["counters"][name] for s in got["counters"]["sockets"])
                    for name in ("rx_lent", "rx_lent_back", "rx_callback_drop")}
        lent = by_name["zcopy"] + by_name["xtreme"]
        equal(counters, {"rx_lent": lent, "rx_lent_back": lent,
                         "rx_callback_drop": by_name["callback"]}, f"{sockets} sockets: counted")


def bare_pmd():
    """What the other figures are held against sees the same packets."""
    receive(64, "--modes=rxonly", "--like=recv", bare=True)


def padded():
    """Packets are read where the NIC put them, in long runs."""
    for size in GEOMETRY:
        result, reader = cyclic(size)
        equal(reader["copies"], 0, f"{size} bytes: copies")
        check(result["mean_run"] > 4, f"{size} bytes: mean run {result['mean_run']}")
        equal(reader["break_gap"], 0, f"{size} bytes: strides out of line")


def packed():
    """Modes in which packets lie closer than strides do: one copy each."""
    for mode in ("raw", "strip", "separate"):
        for size in (64, 1400):
            _, reader = cyclic(size, mode)
            equal(reader["copies"], PACKETS, f"{mode}, {size} bytes: copies")


def narrow():
    """Strides without room for the headroom, which the PMD then copies: read all the same."""
    for size, geometry in ((64, (7, 10)), (87, (8, 10)), (1472, (11, 6))):
        _, reader = cyclic(size, geometry=geometry)
        equal(reader["copies"], 0 if size == 1472 else PACKETS, f"{size} bytes: copies")


def compressed():
    """Completions that come compressed say the same; they have no room for a time."""
    receive(64, "--modes=recv", compress=1, VMA_HW_TS_CONVERSION="0")
    _, reader = cyclic(64, compress=1, VMA_HW_TS_CONVERSION="0")
    equal(reader["copies"], 0, "copies")


def many_sockets():
    """Each socket gets its own and no more; for cyclic reads all share one ring by its user id."""
    receive(64, "--modes=recv", sockets=1000)
    got = receive(64, "--modes=cyclic", "--num=8192", "--stride-bytes=192", sockets=8)
    equal(len(got["counters"]["cyclic"]), 1, "cyclic rings")


def spread_flows():
    """Senders without number are one to a socket that is bound only."""
    receive(64, "--modes=recv", wire=",flows=64")


main(setup, recv, bare_pmd, zcopy, callback, xtreme, in_turns, padded, packed, narrow, compressed,
     many_sockets, spread_flows)
