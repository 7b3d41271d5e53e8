#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Programs that know nothing of dpvma, under libdpvma-preload.so on the mlx5 PMD of the software
ConnectX, and on af_packet: a Python interpreter serves and asks by UDP and TCP, a kernel is at the
other end.
"""
import os
import socket
import subprocess
import sys
import textwrap
import types

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab
from lab import HOST_IP, PEER_IP, PROGRAMS, Failed, Mlx5Wire, Space, equal

PATIENCE = lab.PATIENCE

# what the programs begin with: explain() asks dpvma, which the interpreter has by then
PROLOGUE = """
import ctypes, os, socket, sys, threading
def explain(s):
    lib = ctypes.CDLL("libdpvma.so.0")
    why = ctypes.create_string_buffer(200)
    return bool(lib.dpvma_explain(s.fileno(), why, 200)), why.value.decode()
def say(*words):
    print(*words, flush=True)
def heard():
    return sys.stdin.readline()
"""


class Program:
    """Python code in the host's namespace, under the preloaded library; talks by lines."""

    def __init__(self, wire, code, plug=True, **env):
        env = lab.small(**dict(LD_PRELOAD=f"{PROGRAMS['preload']} {PROGRAMS['connectx']}",
                               LD_LIBRARY_PATH=os.path.dirname(PROGRAMS["preload"]),
                               CONNECTX_NETDEV="nic0", CONNECTX_WIRE="tap:wire0",
                               DPVMA_EAL_ARGS="-a 0000:03:00.0 -l 0 --no-telemetry " +
                               lab.memory(320)) | env)
        self.log = open(os.path.join(lab.scratch, f"program-{len(lab.processes)}.log"), "w+b")
        code = PROLOGUE + textwrap.dedent(code)
        self.p = wire.host.start([sys.executable, "-c", code], env=env, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=self.log, text=True, bufsize=1)
        if plug:
            self.expect("started")
            wire.plug()
            wire.warm()

    def said(self):
        with open(self.log.name, errors="replace") as f:
            return f.read()

    def expect(self, word=None):
        line = self.p.stdout.readline()
        words = line.split()
        if not words or (word is not None and words[0] != word):
            raise Failed(f"the program said {line!r}, not {word}\n{self.said()}")
        return words[1:]

    def tell(self, *words):
        self.p.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.p.stdin.flush()

    def end(self):
        self.p.stdin.close()
        equal(self.p.wait(PATIENCE), 0, f"exit code\n{self.said()}")


def udp():
    """Serves the kernel, then asks it; and never starts for what is on loopback."""
    wire = Mlx5Wire()
    program = Program(wire, f"""
        lo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        lo.bind(("127.0.0.1", 0))
        assert "libdpvma.so" not in open("/proc/self/maps").read()
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        s.bind(("{HOST_IP}", 5000))
        assert explain(s)[0], explain(s)
        assert not explain(lo)[0] and "127" in explain(lo)[1], explain(lo)
        say("started")
        for _ in range(100):
            data, peer = s.recvfrom(65536)
            s.sendto(data, peer)
        c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        c.settimeout({PATIENCE})
        c.connect(("{PEER_IP}", 6000))
        assert explain(c)[0], explain(c)
        c.send(b"question")
        say("answer", c.recv(100).decode())
        # the kernel's and ours in one program
        lo.sendto(b"x", lo.getsockname())
        assert lo.recv(10) == b"x"
        """)
    s = wire.peer.udp(PEER_IP, 6000)
    for i in range(100):
        data = lab.pattern(1 + i * 14, i)
        s.sendto(data, (HOST_IP, 5000))
        equal(s.recv(65536), data, f"echo {i}")
    data, peer = s.recvfrom(100)
    equal(data, b"question", "what the program asks")
    s.sendto(b"42", peer)
    equal(program.expect("answer"), ["42"], "the answer")
    program.end()


def tcp():
    """A server with a thread a connection, then a client."""
    wire = Mlx5Wire()
    program = Program(wire, f"""
        def serve(c):
            while data := c.recv(65536):
                c.sendall(data)
            c.close()
        l = socket.create_server(("{HOST_IP}", 5000))
        assert explain(l)[0], explain(l)
        say("started")
        threads = []
        for _ in range(4):
            c, peer = l.accept()
            assert explain(c)[0] and peer[0] == "{PEER_IP}", (explain(c), peer)
            threads.append(threading.Thread(target=serve, args=(c,)))
            threads[-1].start()
        for t in threads:
            t.join()
        c = socket.create_connection(("{PEER_IP}", 6000), timeout={PATIENCE})
        assert explain(c)[0], explain(c)
        c.sendall(b"q" * 100000)
        c.shutdown(socket.SHUT_WR)
        say("answer", c.recv(100).decode())
        """)
    with wire.peer:
        clients = [socket.create_connection((HOST_IP, 5000), timeout=PATIENCE) for _ in range(4)]
        listener = socket.create_server((PEER_IP, 6000))
    for i in range(20):
        data = lab.pattern(1 + i * 1000, i)
        for c in clients:
            c.sendall(data)
        for c in clients:
            got = b""
            while len(got) < len(data):
                got += c.recv(65536)
            equal(got, data, f"echo {i}")
    for c in clients:
        c.shutdown(socket.SHUT_WR)
        equal(c.recv(1), b"", "end of stream")
        c.close()
    listener.settimeout(PATIENCE)
    c = listener.accept()[0]
    c.settimeout(PATIENCE)
    n = 0
    while data := c.recv(65536):
        n += len(data)
    equal(n, 100000, "bytes that the program sent")
    c.sendall(b"42")
    equal(program.expect("answer"), ["42"], "the answer")
    program.end()
    c.close()
    listener.close()


def select_and_names():
    """select over a socket of ours, under another name, and a pipe of the kernel's."""
    wire = Mlx5Wire()
    program = Program(wire, f"""
        import select
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        two = s.dup()
        s.bind(("{HOST_IP}", 5000))
        assert explain(two)[0], explain(two)
        s.close()
        r, w = os.pipe()
        say("started")
        echoes = pipes = 0
        while echoes < 10 or pipes < 10:
            ready = select.select([two, r], [], [], {PATIENCE})[0]
            assert ready
            if r in ready:
                say("pipe", os.read(r, 1).decode())
                pipes += 1
            if two in ready:
                data, peer = two.recvfrom(100)
                two.sendto(data, peer)
                os.write(w, b"x")
                echoes += 1
        assert not select.select([two], [], [], 0.01)[0]
        """)
    s = wire.peer.udp(PEER_IP, 6000)
    for i in range(10):
        s.sendto(b"%d" % i, (HOST_IP, 5000))
        equal(s.recv(100), b"%d" % i, "echo")
        equal(program.expect("pipe"), ["x"], "the pipe")
    program.end()


def events():
    """asyncio, so epoll, with connections that come and go, and one to itself over loopback."""
    wire = Mlx5Wire()
    program = Program(wire, f"""
        import asyncio
        async def serve(reader, writer):
            assert explain(writer.get_extra_info("socket"))[0]
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()
        async def itself():
            async def answer(reader, writer):
                writer.write(await reader.readexactly(4))
                writer.close()
            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"self")
            assert await reader.read() == b"self"
            server.close()
        async def main():
            await itself()
            server = await asyncio.start_server(serve, "{HOST_IP}", 5000)
            say("started")
            await asyncio.get_running_loop().run_in_executor(None, heard)
            await itself()
            server.close()
        asyncio.run(main())
        """)
    for turn in range(3):
        with wire.peer:
            clients = [socket.create_connection((HOST_IP, 5000), timeout=PATIENCE)
                       for _ in range(20)]
        for i, c in enumerate(clients):
            c.sendall(lab.pattern(1 + 997 * i, i))
        for i, c in enumerate(clients):
            c.shutdown(socket.SHUT_WR)
            got = b""
            while data := c.recv(65536):
                got += data
            equal(got, lab.pattern(1 + 997 * i, i), f"echo {turn} {i}")
            c.close()
    program.tell("end")
    program.end()


def early_connections():
    """Clients that ask before a server listens: whoever is accepted is served to the end."""
    wire = Mlx5Wire()
    program = Program(wire, f"""
        first = socket.create_server(("{HOST_IP}", 4999))
        say("started")
        for port in range(5000, 5010):
            heard()
            l = socket.create_server(("{HOST_IP}", port))
            c = l.accept()[0]
            # by now the flows of the listener are there, whoever made the connection
            say("accepted")
            data = c.recv(100)
            c.sendall(data)
            c.close()
            l.close()
        """)
    for port in range(5000, 5010):
        program.tell("listen")
        while True:
            try:
                with wire.peer:
                    c = socket.create_connection((HOST_IP, port), timeout=PATIENCE)
                break
            except ConnectionRefusedError:
                pass
        program.expect("accepted")
        c.sendall(b"served")
        equal(c.recv(100), b"served", f"the first connection of number {port}")
        c.close()
    program.end()


def guarded_numbers():
    """Where the kernel sees copies dpvma keeps a number from it, which is no name of the socket."""
    host, peer = Space(), Space()
    host.ip("link", "add", "d0", "type", "veth", "peer", "name", "d1", "netns", peer.path)
    for space, device, addr in ((host, "d0", HOST_IP), (peer, "d1", PEER_IP)):
        space.ip("link", "set", device, "up")
        space.ip("addr", "add", f"{addr}/24", "dev", device)
        space.run("ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off",
                  ok=False)
    program = Program(types.SimpleNamespace(host=host), f"""
        l = socket.create_server(("{HOST_IP}", 5000))
        assert explain(l)[0], explain(l)
        say("started")
        c = l.accept()[0]
        assert explain(c)[0], explain(c)
        c.sendall(c.recv(100))
        c.close()
        c = socket.create_connection(("{PEER_IP}", 6000), timeout={PATIENCE})
        assert explain(c)[0], explain(c)
        c.close()
        l.close()
        say("closed")
        heard()
        """, plug=False, LD_PRELOAD=PROGRAMS["preload"], DPVMA_QUEUES="1",
        DPVMA_EAL_ARGS="-l 0 --no-pci --no-telemetry --vdev=net_af_packet0,iface=d0 " +
        lab.memory(320))
    program.expect("started")
    with peer:
        listener = socket.create_server((PEER_IP, 6000))
        c = socket.create_connection((HOST_IP, 5000), timeout=PATIENCE)
    c.sendall(b"x")
    equal(c.recv(100), b"x", "echo")
    equal(c.recv(1), b"", "the end of the connection that was accepted")
    c.close()
    listener.settimeout(PATIENCE)
    c = listener.accept()[0]
    c.settimeout(PATIENCE)
    equal(c.recv(1), b"", "the end of the one that was made")
    c.close()
    listener.close()
    program.expect("closed")
    program.end()


lab.main(udp, tcp, select_and_names, events, early_connections, guarded_numbers)
