#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Python's asyncio, preloaded over the software ConnectX, for a kernel's peer and against one: a server
of streams and of datagrams by each of its selectors, and clients; every byte compared. The program
under test is this file itself, with a role as its argument.
"""
import asyncio
import hashlib
import os
import selectors
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import HOST_IP, PEER_IP, check, equal, main, pattern
from proglab import Nic

PORT, CONNECTIONS = 9100, 30
SELECTORS = ("EpollSelector", "PollSelector", "SelectSelector")
nic = None


# the program under test, both sides of it
async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answer=None):
        self.answer = answer

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        if self.answer is None:
            self.transport.sendto(data, addr)
        else:
            self.answer.put_nowait(data)


async def serve(addr):
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(echo, addr, PORT)
    await loop.create_datagram_endpoint(Datagrams, local_addr=(addr, PORT))
    print("READY", flush=True)
    async with server:
        await server.serve_forever()


async def stream(addr, i):
    reader, writer = await asyncio.open_connection(addr, PORT)
    size = i * 997 * (i % 7) * 10
    sent = pattern(size, i) if size else b""

    async def send():
        writer.write(sent)
        await writer.drain()
        writer.write_eof()

    task = asyncio.create_task(send())
    got = await reader.read(-1)
    await task
    writer.close()
    if hashlib.sha1(got).digest() != hashlib.sha1(sent).digest():
        raise SystemExit(f"connection {i}: {len(got)} of {size} bytes came back, or others")


async def datagrams(addr):
    answers = asyncio.Queue()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Datagrams(answers), remote_addr=(addr, PORT))
    for i in range(200):
        sent = pattern(1 + i * 7, i)
        transport.sendto(sent)
        # the first may have to wait until the neighbour is known
        if await asyncio.wait_for(answers.get(), 20) != sent:
            raise SystemExit(f"datagram {i} came back otherwise")
    transport.close()


async def ask(addr):
    await datagrams(addr)
    await asyncio.gather(*(stream(addr, i) for i in range(CONNECTIONS)))
    # a time that passes though nothing happens, and a name that is an address
    before = asyncio.get_running_loop().time()
    await asyncio.sleep(0.2)
    if asyncio.get_running_loop().time() - before < 0.2:
        raise SystemExit("sleep ended early")
    print("DONE", flush=True)


def program(role, addr, selector):
    loop = asyncio.SelectorEventLoop(getattr(selectors, selector)())
    asyncio.set_event_loop(loop)
    loop.run_until_complete({"serve": serve, "ask": ask}[role](addr))


# the test
def setup():
    global nic
    nic = Nic()


def run(where, *words):
    return where(sys.executable, "-B", os.path.abspath(__file__), *words)


def servers():
    for selector in SELECTORS:
        s = run(nic.program, "serve", HOST_IP, selector)
        s.says("READY")
        before = nic.seen(), nic.moved()
        out = run(nic.kernel, "ask", HOST_IP, SELECTORS[0]).end()
        check("DONE" in out, out)
        nic.offloaded(before, 1000)
        s.stop()
        print(f"   {selector}", flush=True)


def clients():
    s = run(nic.kernel, "serve", PEER_IP, SELECTORS[0])
    s.says("READY")
    for selector in SELECTORS:
        before = nic.seen(), nic.moved()
        out = run(nic.program, "ask", PEER_IP, selector).end()
        check("DONE" in out, out)
        nic.offloaded(before, 500)
        print(f"   {selector}", flush=True)
    s.stop()
    equal(s.p.returncode, -15, "the kernel's server")


if len(sys.argv) == 4 and sys.argv[1] in ("serve", "ask"):
    program(*sys.argv[1:])
else:
    main(setup, servers, clients)
