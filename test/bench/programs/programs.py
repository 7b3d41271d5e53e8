#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
programs.py BUILD [ROUNDS [SECONDS]]: what unmodified programs gain. In each round, one after the
other: a cache line between the two cores, two bare PMD loops over a memif, sockperf's ping-pong and
redis-benchmark with dpvma preloaded at both ends over the same memif, and the same programs on the
kernel over a veth, both ends spinning where the program can. Medians of rounds and their ratios,
as one JSON object on the last line. Nothing else may run meanwhile.
"""
import ctypes
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

SERVER, CLIENT = "10.96.0.1", "10.96.0.2"
PORT = 7000
build = os.path.abspath(sys.argv[1])
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 2
trip = f"{build}/test/bench/programs/pmd_trip"
preload = f"{build}/lib/libdpvma-preload.so"
libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def memory():
    with open("/proc/meminfo") as f:
        free = int(re.search(r"HugePages_Free:\s+(\d+)", f.read())[1])
    return "--in-memory -m 256" if free > 300 else "--no-huge --no-shconf -m 256"


def vdev(role, path):
    return f"--no-pci --vdev=net_memif0,role={role},id=0,socket={path},socket-abstract=no"


def command(cpu, *argv):
    return ["taskset", "-c", str(cpu), *argv]


class Place:
    """Where a program runs: an environment and a namespace."""

    def __init__(self, addr, cpu, env=None, space=None):
        self.addr, self.cpu, self.space = addr, cpu, space
        self.env = dict(os.environ, **(env or {}))

    def start(self, *argv, **more):
        space = self.space

        def inside():
            libc.prctl(1, 9)
            if space is not None and libc.setns(space, CLONE_NEWNET) != 0:
                raise OSError("setns")

        return subprocess.Popen(command(self.cpu, *argv), env=self.env, preexec_fn=inside,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)

    def run(self, *argv):
        p = self.start(*argv)
        out = p.communicate(timeout=60 + 10 * seconds)[0]
        if p.returncode != 0:
            raise SystemExit(f"{' '.join(argv)}: {p.returncode}\n{out}")
        return re.sub(r"\x1b\[[0-9;]*m", "", out)


def namespace():
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise SystemExit("run as root: network namespaces are made")
    fd = os.open("/proc/self/ns/net", os.O_RDONLY)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    libc.setns(before, CLONE_NEWNET)
    os.close(before)
    return fd


def veth():
    """The kernel at both ends."""
    a, b = namespace(), namespace()
    server, client = Place(SERVER, 0, space=a), Place(CLIENT, 1, space=b)
    server.run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns",
               f"/proc/{os.getpid()}/fd/{b}")
    for place, name in ((server, "v0"), (client, "v1")):
        place.run("ip", "addr", "add", f"{place.addr}/24", "dev", name)
        place.run("ip", "link", "set", name, "up")
    return server, client


def stack(path):
    """dpvma at both ends, in a namespace without devices."""
    space = namespace()

    def one(addr, cpu, role, mac):
        return Place(addr, cpu, space=space, env={
            "LD_PRELOAD": preload,
            "DPVMA_EAL_ARGS": f"-l {cpu} {memory()} --no-telemetry {vdev(role, path)},mac={mac}",
            "DPVMA_PORTS": f"net_memif0={addr}/24", "DPVMA_QUEUES": "1", "VMA_RX_BUFS": "16384",
            "VMA_RX_WRE": "2048", "VMA_TX_BUFS": "8192", "VMA_TX_WRE": "1024",
            "VMA_RX_POLL": "-1", "VMA_SELECT_POLL": "-1", "VMA_TRACELEVEL": "warning",
            "VMA_RX_UDP_POLL_OS_RATIO": "0", "VMA_SELECT_POLL_OS_RATIO": "0",
            "VMA_SELECT_SKIP_OS": "1000", "VMA_TCP_NODELAY": "1"})

    return (one(SERVER, 0, "server", "02:96:00:00:00:01"),
            one(CLIENT, 1, "client", "02:96:00:00:00:02"))


def until_up(p, path):
    """A memif server has made its socket."""
    end = time.monotonic() + 20
    while not os.path.exists(path):
        if p.poll() is not None or time.monotonic() > end:
            raise SystemExit("the server does not start:\n" + p.communicate()[0])
        time.sleep(0.05)


def finish(p):
    p.kill()
    p.communicate()


def core():
    return float(re.search(r"median (\d+)", Place(None, 0).run(trip, "core", "300000"))[1])


def bare(path, size):
    eal = [*memory().split(), "--no-telemetry"]
    server = Place(None, 0).start(trip, "-l", "0", *eal, "--file-prefix=dpvma-trip-a",
                                  *vdev("server", path).split(), "--", "echo", str(size))
    until_up(server, path)
    out = Place(None, 1).run(trip, "-l", "1", *eal, "--file-prefix=dpvma-trip-b",
                             *vdev("client", path).split(), "--", "ask", str(size), "300000")
    server.wait(10)
    server.communicate()
    if os.path.exists(path):
        os.unlink(path)
    return float(re.search(r"median (\d+)", out)[1])


def sockperf(places, path, size, *options):
    """Median round trip, ns."""
    server, client = places
    s = server.start("sockperf", "server", "-i", SERVER, "-p", str(PORT), *options)
    if path:
        until_up(s, path)
    time.sleep(0.5)
    # the frame has 42 bytes of headers for UDP
    out = client.run("sockperf", "ping-pong", "-i", SERVER, "-p", str(PORT), "-t", str(seconds),
                     "--msg-size", str(size), *options)
    finish(s)
    m = re.search(r"percentile 50\.000 =\s*([\d.]+)", out)
    if m is None:
        raise SystemExit(out)
    return 2000 * float(m[1])


def redis(places, path, pipeline):
    """GETs a second."""
    server, client = places
    s = server.start("redis-server", "--bind", SERVER, "--port", "6379", "--save", "",
                     "--appendonly", "no", "--protected-mode", "no", "--daemonize", "no")
    if path:
        until_up(s, path)
    time.sleep(1)
    n = seconds * 60000 * (4 if pipeline > 1 else 1)
    out = client.run("redis-benchmark", "-h", SERVER, "-t", "get", "-n", str(n), "-P",
                     str(pipeline), "-q", "-c", "50")
    finish(s)
    m = re.findall(r"GET: ([\d.]+) requests", out)
    if not m:
        raise SystemExit(out)
    return float(m[-1])


def main():
    # name: a figure of one round. 22 bytes in UDP are a frame of 64 without its checksum
    with tempfile.TemporaryDirectory(prefix="dpvma-programs-") as scratch:
        kernel = veth()
        count = iter(range(1000000))

        def fresh():
            path = os.path.join(scratch, f"memif{next(count)}")
            return stack(path), path

        def ours(what, *args):
            places, path = fresh()
            return what(places, path, *args)

        spin = ["--nonblocked"]
        cases = {
            "core": core,
            "pmd": lambda: bare(os.path.join(scratch, f"memif{next(count)}"), 64),
            "udp": lambda: ours(sockperf, 22),
            "udp kernel": lambda: sockperf(kernel, None, 22, *spin),
            "tcp": lambda: ours(sockperf, 22, "--tcp"),
            "tcp kernel": lambda: sockperf(kernel, None, 22, "--tcp", *spin),
            "redis 1": lambda: ours(redis, 1),
            "redis 1 kernel": lambda: redis(kernel, None, 1),
            "redis 16": lambda: ours(redis, 16),
            "redis 16 kernel": lambda: redis(kernel, None, 16),
        }
        chosen = os.environ.get("CASES")
        if chosen:
            cases = {k: v for k, v in cases.items() if k in chosen.split(",")}
        got = {name: [] for name in cases}
        for r in range(rounds):
            for name, case in cases.items():
                got[name].append(case())
                print(f"round {r}: {name} {got[name][-1]:.0f}", flush=True)
        mid = {name: statistics.median(v) for name, v in got.items()}
        ratios = {}
        for name, a, b in (("udp / pmd (3)", "udp", "pmd"), ("udp / kernel (0.2)", "udp", "udp kernel"),
                           ("tcp / pmd (3.5)", "tcp", "pmd"),
                           ("tcp / kernel (0.25)", "tcp", "tcp kernel"),
                           ("redis 1 / kernel (2)", "redis 1", "redis 1 kernel"),
                           ("redis 16 / kernel (2)", "redis 16", "redis 16 kernel")):
            if a in mid and b in mid:
                ratios[name] = round(statistics.median(
                    x / y for x, y in zip(got[a], got[b])), 3)
        print(json.dumps({"all": got, "median": mid, "ratio (bar)": ratios}))


main()
