#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
What fails in the middle of a stream, on the cable between two software ConnectX: the link at either
end, a send queue, a receive queue, buffers, the port itself when it is started anew for another ring.
TCP both ways, every byte compared. A device that is taken away ends the connection, not the process.
"""
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
import lab
import tcplab
from lab import check, equal, main, wait_for
from midstream import arrived, bench, fault, in_stream, model
from wires import Cable, HERE, THERE

MB = 1 << 20
SIZE = 24 * MB
SECONDS = 25 # for what takes a tenth of it on a machine with nothing else to do
# the vector receive functions do not recover from every error completion
SCALAR = ",mprq_en=0,rx_vec_en=0"
RINGS = 6 # more than a port has queues to begin with


def struck(b, who, what, counter, least=1):
    """A stream with a fault in it, of which the model says that it was there."""
    before = model(who)[counter]
    began = time.monotonic()
    fds = b.pair("ours")
    in_stream(b, [fds], SIZE, lambda: fault(who, what), SECONDS)
    tcplab.orderly(b, *fds)
    check(model(who)[counter] - before >= least, f"{what}: {counter}")
    print(f"   {what}: {time.monotonic() - began:.1f} s", flush=True)


def link():
    b = bench(Cable("link"))
    for who, other in ((b.ours, b.theirs), (b.theirs, b.ours)):
        struck(b, who, "link=300ms@time:+0ms", "tx_no_link")
    b.ours.end()
    b.theirs.end()


def queues():
    b = bench(Cable("queues", devargs=SCALAR))
    for who in (b.ours, b.theirs):
        struck(b, who, "tx.cqe_error@packet:+1", "tx_fault_cqe_error")
        struck(b, who, "rx.cqe_error@packet:+1", "rx_fault_cqe_error")
        struck(b, who, "rx.cqe_error=2@packet:+1", "rx_fault_cqe_error")
        struck(b, who, "rx.stall=300ms@packet:+1", "rx_fault_stall")
        struck(b, who, "tx.stall=300ms@packet:+1", "tx_fault_stall")
        struck(b, who, "rx.no_buf=100ms@packet:+1", "rx_fault_no_buf")
    b.ours.end()
    b.theirs.end()


def restart():
    """Threads that want rings of their own, more than there are queues: the port is started anew."""
    b = bench(Cable("restart", devargs=",mprq_en=0"), DPVMA_QUEUES="0", VMA_RX_WRE="512",
              VMA_RING_ALLOCATION_LOGIC_RX="20", VMA_RING_ALLOCATION_LOGIC_TX="20",
              VMA_TRACELEVEL="debug")
    for n, who in enumerate((b.ours, b.theirs)):
        fifo = os.path.join(lab.scratch, f"fifo{n}")
        os.mkfifo(fifo)
        who.call("rings", RINGS, HERE if who is b.ours else THERE, fifo)
        before = who.said().count("restart with")
        # the listener stays, for whose connections the kernel is kept silent
        listening = b.listen(b.theirs, THERE)
        ours = b.ours.number("socket", "stream")
        b.ours.call("connect", ours, THERE, b.port)
        fds = ours, b.theirs.number("accept", listening)

        def open_them():
            with open(fifo, "wb", buffering=0) as f:
                f.write(bytes(RINGS))
                wait_for(lambda: who.said().count("restart with") > before, "a restart")
        in_stream(b, [fds], SIZE, open_them, SECONDS)
        tcplab.orderly(b, *fds)
        wait_for(lambda: who.call("opened")[0] == str(RINGS), "sockets of all threads")
        b.theirs.call("close", listening)
    b.ours.end()
    b.theirs.end()


def removal():
    """The device goes: both ends' connections end with an error, and both programs live."""
    b = bench(Cable("removal"), VMA_TRACELEVEL="info")
    ours, theirs = b.pair("ours")
    for one, fd in ((b.ours, ours), (b.theirs, theirs)):
        one.setopt(fd, socket.IPPROTO_TCP, tcplab.TCP_USER_TIMEOUT, 3000)
    flows = [tcplab.Flow(b.ours, ours, b.theirs, theirs, 1 << 40),
             tcplab.Flow(b.theirs, theirs, b.ours, ours, 1 << 40)]
    before = arrived(b.ours)
    tcplab.start(flows, SECONDS)
    wait_for(lambda: arrived(b.ours) > before + 300, "a stream under way")
    fault(b.ours, "remove@time:+0ms")
    for one in (b.ours, b.theirs):
        words = one.answer(SECONDS)
        check(words is not None, "the transfer ended")
        # of both directions one is told the error, the other finds the end of a connection
        got = [word.split(":") for word in words[1:]]
        equal([int(bad) for _, _, bad, _ in got], [-1, -1], "first wrong byte")
        check({error for _, _, _, error in got} & {"ETIMEDOUT", "EHOSTUNREACH"}, f"error: {got}")
    wait_for(lambda: "was removed" in b.ours.said(), "it is told")
    # it lives, says what is, and ends in order
    check(b.ours.explain(ours) != "", "explain")
    b.ours.dump()
    b.ours.end()
    b.theirs.end()


main(link, queues, restart, removal)
