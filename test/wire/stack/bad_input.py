#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
What is wrong is said in a line with cause and cure, ends with the right errno or exit code, and
leaves nothing behind: of dpvma-testpmd, on an EAL of its own, and of the library that starts one.
"""
import errno
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
import lab
from lab import HOST_IP, PROGRAMS, Agent, Failed, Mlx5Wire, Space, check, equal, main

NULL = "--no-pci --vdev=net_null0"
ADDRESS = {"DPVMA_PORTS": "net_null0=10.0.0.1/24"}
PREFIX = f"dpvma-bad-{os.getpid()}"
# more than any machine of today has
TOO_MUCH = 100_000_000


def lying_about():
    """Of what our processes make; others' leavings may carry a process id that was used again."""
    return set(lab.trace(0, PREFIX)).union(*(lab.trace(pid, p) for pid in ours
                                             for p in (None, PREFIX)))


ours = []


def testpmd(space, eal, *options, memory="--no-huge --no-shconf -m 256", **env):
    """Exit code and lines of dpvma's own."""
    argv = [PROGRAMS["testpmd"], "-l", "0", *eal.split(), "--no-telemetry", *memory.split(),
            f"--file-prefix={PREFIX}", "--", "--quiet", "--duration=0.2", *options]
    process = space.start(argv, env=lab.small(**env), stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    process.prefix = PREFIX
    ours.append(process.pid)
    try:
        out = process.communicate(timeout=30)[0]
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(argv)} does not end") from None
    return process.returncode, [x for x in out.splitlines() if x.startswith("dpvma")], out


def refused(text, code_lines_out, *words):
    """It failed, and a single line names all of these."""
    code, lines, out = code_lines_out
    equal(code, 1, f"{text}: exit code\n{out}")
    hits = [x for x in lines if all(re.search(w, x) for w in words)]
    equal(len(hits), 1, f"{text}: lines with {words} in\n{out}")
    # at most the tool's own word of what it was doing comes with it
    check(len(lines) <= 2, f"{text}: too many lines\n{out}")
    equal(lying_about(), set(), f"{text}: left behind")


def tool():
    space = Space()

    def run(eal, *options, **more):
        return testpmd(space, eal, *options, **more)

    refused("no port", run("--no-pci"), "no port", "DPVMA_EAL_ARGS")
    refused("an unknown PMD", run("--no-pci --vdev=net_nosuch0"), "No such device")
    refused("no address", run(NULL), "no address", "DPVMA_PORTS", "net_null0")
    refused("a port that is not there", run(NULL, DPVMA_PORTS="net_nope0=10.0.0.1/24"), "net_nope0",
            "net_null0", "DPVMA_PORTS")
    refused("an address without its network", run(NULL, DPVMA_PORTS="net_null0=10.0.0.1"),
            "10.0.0.1", "prefix length", "10.0.0.1/24")
    for options, words in (
            (["--address=10.1.1.1"], ["10.1.1.1", "--address"]),
            (["--address=10.1.1"], ["--address=10.1.1"]),
            (["--mode=fly"], ["fly", "--help"]),
            (["--udp-port=70000"], ["--udp-port", "65535"]),
            (["--udp-port=65000", "--sockets=1000"], ["--sockets", "65535"]),
            (["--mode=cyclic", "--ring-mode=foo"], ["foo", "padded"]),
            (["--mode=stream", "--size=0"], ["--size=0", "a byte"]),
            (["--mode=rr", "--peer=10.0.0"], ["--peer=10.0.0", "IP address"]),
            (["--modes=rr,recv"], ["--modes", "alone"]),
            (["--modes=recv,cyclic"], ["--modes", "cyclic apart"]),
            (["--modes=zcopy", "--like=cyclic"], ["--modes", "cyclic apart"]),
            (["--like=rxonly"], ["--like=rxonly", "cyclic or recv"]),
            (["--modes=" + ",".join(["recv"] * 9)], ["--modes", "more than 8"]),
            (["--modes=rxonly,xtreme"], ["xtreme", "VMA_SOCKETXTREME=1"]),
            (["--mode=rr", "--peer=10.0.0.1"], ["10.0.0.1"]),
            (["--mode=cyclic", "--num=99999999"], ["--num", "64"]),
            (["--mode=cyclic", "--num=16000000", "--size=1400"],
             ["16000000 strides", "MB", "num of at most [0-9]+"])):
        refused(" ".join(options), run(NULL, *options, **ADDRESS), *words)
    refused("buffers beyond memory", run(NULL, VMA_RX_BUFS=TOO_MUCH, **ADDRESS),
            f"VMA_RX_BUFS={TOO_MUCH}", "set VMA_RX_BUFS=[0-9]+")
    refused("memory that is not there", run(NULL, memory="--in-memory -m 9000000", **ADDRESS),
            "Cannot allocate memory")
    # what is only a mistake is said, and something else used
    code, lines, out = run(NULL, VMA_TX_WRE="many", **ADDRESS)
    equal(code, 0, out)
    equal(len([x for x in lines if re.search("VMA_TX_WRE=many.*using [0-9]+", x)]), 1, out)


def port_in_use():
    """On mlx5 the kernel knows who has the number."""
    wires = Mlx5Wire()
    holder = wires.host.udp(HOST_IP, 5000)
    refused("a port in use", testpmd(
        wires.host, "-a 0000:03:00.0", LD_PRELOAD=PROGRAMS["connectx"], CONNECTX_NETDEV="nic0",
        CONNECTX_WIRE="null"), f"{HOST_IP} port 5000", "--udp-port", "in use")
    holder.close()


def library():
    """dpvma_init(): an errno, and one line."""
    space = Space()
    for args, name, words in (
            ("--no-pci", "ENODEV", ["no port", "DPVMA_EAL_ARGS="]),
            ("--no-pci --vdev=net_nosuch0", "ENODEV", ["net_nosuch0", "correct"]),
            ("--no-pci --frobnicate", "EINVAL", ["--frobnicate", "correct"]),
            ("-a 0000:99:00.0", "ENODEV", ["0000:99:00.0", "correct"]),
            ("--no-pci --vdev=net_af_packet0,iface=nope0", "ENODEV", ["net_af_packet0", "correct"]),
            ("'--no-pci", "EINVAL", ["quote", "close"])):
        # "nothing but the arguments" goes wrong: there is memory
        agent = Agent(space, args, megabytes=128)
        equal(agent.fails("init"), name, args)
        lines = [x for x in agent.said().splitlines() if x.startswith("dpvma")]
        equal(len(lines), 1, f"{args}: lines\n{agent.said()}")
        for w in words:
            check(w in lines[0], f"{args}: {w} is not in {lines[0]}")
        # the program goes on with the kernel
        fd = agent.number("socket")
        check(agent.explain(fd).startswith("kernel"), agent.explain(fd))
        agent.call("bind", fd, "127.0.0.1", 5000)
        agent.end()
        equal(lab.trace(agent.pid), [], f"{args}: left behind")
    agent = Agent(space, NULL, megabytes=128, VMA_RX_BUFS=TOO_MUCH, **ADDRESS)
    equal(agent.fails("init"), errno.errorcode[errno.ENOMEM], "buffers beyond memory")
    check(re.search(f"VMA_RX_BUFS={TOO_MUCH}.*set VMA_RX_BUFS=[0-9]+", agent.said()), agent.said())
    agent.end()
    equal(lab.trace(agent.pid), [], "left behind")


main(tool, port_in_use, library)
