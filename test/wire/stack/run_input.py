#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
dpvma-run's command line: what is wrong is said in a line with cause and cure and ends with 125, and
what is right becomes the environment that it should. No program is run but for the exit codes.
"""
import os
import re
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/stack"))
import lab
from lab import PROGRAMS, Failed, Space, check, equal, main

NOTHING = {k: v for k, v in os.environ.items()
           if not k.startswith(("VMA_", "DPVMA_", "CONNECTX", "LD_PRELOAD"))}
MEMIF = "--port=memif:server:/tmp/m.sock"


def run(space, *words, **env):
    """Exit code, standard output, lines of standard error."""
    process = space.start([PROGRAMS["run"], *words], env={**NOTHING, **env}, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=60)
    lab.processes.remove(process)
    return process.returncode, out, err.splitlines()


def with_devices():
    """d0 has an address, d1 has none."""
    space = Space()
    space.ip("link", "add", "d0", "type", "veth", "peer", "name", "d1")
    for name in ("d0", "d1"):
        space.ip("link", "set", name, "up")
    space.ip("addr", "add", "192.0.2.5/24", "dev", "d0")
    return space


def bad():
    space = with_devices()
    for words, hints in (
            ([], ["no program", "redis-server"]),
            (["--frob", "true"], ["--frob", "--help"]),
            (["--dry-run=1", "true"], ["--dry-run=1", "no value"]),
            (["--port"], ["--port", "needs a value"]),
            (["--port=", "true"], ["--port", "empty"]),
            (["--port=d9", "true"], ["d9", "no such network device", "--list"]),
            (["--port=d1", "true"], ["d1 has no IPv4 address", "ip addr add", "--addr="]),
            (["--port=d0", "--pmd=af_magic", "true"], ["af_magic", "af_packet or af_xdp"]),
            (["--port=memif:boss:/tmp/a", "true"], ["memif:server:/SOCKET", "memif:client"]),
            (["--port=memif:server:a", "true"], ["memif:server:/SOCKET"]),
            (["--port=tap:" + "x" * 16, "true"], ["1 to 15 characters"]),
            ([MEMIF, "true"], ["no address", "--addr=192.0.2.1/24"]),
            ([MEMIF, "--addr=10.0.0.1", "true"], ["10.0.0.1", "prefix length"]),
            ([MEMIF, "--addr=10.0.0.1/24,gw=10.1.0.1", "true"], ["gateway"]),
            ([MEMIF, "--addr=10.0.0.1/24", "--addr=10.0.0.2/24", "true"],
             ["second", "10.0.0.1/24,10.0.0.2/24"]),
            (["--addr=10.0.0.1/24", MEMIF, "true"], ["--port first"]),
            (["--port=d0'x", "true"], ["d0'x"]),
            (["--port=net_null0,x='", "--addr=10.0.0.1/24", "true"], ["quote"]),
            (["--port=d0", "--set=VMA_RX_POL=0", "true"], ["VMA_RX_POL ", "VMA_RX_POLL meant"]),
            (["--port=d0", "--set=dpvma_queue=1", "true"], ["DPVMA_QUEUES meant"]),
            (["--port=d0", "--set=VMA_RX_POLL=many", "true"], ["VMA_RX_POLL=many", "number"]),
            (["--port=d0", "--set=VMA_RX_POLL", "true"], ["NAME=VALUE"]),
            (["--port=d0", "--profile=fast", "true"], ["VMA_SPEC=fast", "latency"]),
            (["--port=d0", "--rules=/nonexistent", "true"], ["/nonexistent", "No such file"]),
            (["--port=d0", "--memory=1", "true"], ["--memory=1", "32 to"]),
            (["--port=d0", "--memory=1k", "true"], ["--memory=1k", "whole number"]),
            (["--port=d0", "--memory=-5", "true"], ["--memory=-5", "whole number"]),
            (["--port=d0", "--memory=99999999999999999999", "true"], ["whole number"]),
            (["--port=d0", "--memory=64", "--eal=-m 32", "true"], ["-m 32", "leave one"]),
            (["--port=d0", "--huge", "--no-huge", "true"], ["--huge with --no-huge"]),
            (["--port=d0", "--huge", "--memory=16777216", "true"], ["nr_hugepages"]),
            (["--peer=true", "true"], ["--sim"]),
            (["--stay", "true"], ["--peer"]),
            (["--peer-port=0", "true"], ["1 to 65535"]),
            (["--sim-wire=null", "true"], ["--sim too"]),
            (["--sim", "--sim-wire=null", "--peer=true", "true"], ["--peer", "--sim-wire"]),
            (["--sim", "--port=d0", "true"], ["--sim with --port"]),
            (["--sim", "--addr=10.0.0.1", "true"], ["10.0.0.1", "10.99.0.2/24"]),
            (["--sim", "--addr=10.0.0.1/24,gw=10.0.0.2", "true"], ["10.99.0.2/24"]),
            (["--sim", "--peer-addr=x/24", "true"], ["--peer-addr=x/24"]),
            (["--pid=1"], ["--explain"]),
            (["--explain", "--json", "true"], ["--pid"]),
            (["--explain", "--pid=1", "true"], ["leave one"]),
            (["--explain", f"--pid={os.getpid()}"], [str(os.getpid()), "no telemetry"])):
        code, out, err = run(space, *words)
        text = f"{words}:\n" + "\n".join(err)
        equal(code, 125, f"exit code of {text}")
        equal(out, "", f"standard output of {text}")
        equal(len(err), 1, f"lines of {text}")
        check(err[0].startswith("dpvma-run: "), text)
        for hint in hints:
            check(hint in err[0], f"{hint} is not in {text}")
    code, _, err = run(space, "--port=d0", "true", DPVMA_PORTS="d0=10.0.0.1")
    equal((code, len(err)), (125, 1), err)
    check("the environment" in err[0] and "prefix length" in err[0], err[0])


def which_port():
    """Without one that can be meant, it lists what there is and what to type."""
    space = with_devices()
    code, out, err = run(space, "true")
    equal((code, out), (125, ""), err)
    check("no mlx5 device" in err[0] and "--sim" in err[-1], err)
    equal(sorted(re.search(r"--port=\S+", x)[0] for x in err[2:-1]),
          ["--port=d0", "--port=d1"], f"what to type: {err}")
    code, out, err = run(space, "--list")
    equal((code, err), (0, []), out)
    check(re.search(r"^d0 +veth.* 192\.0\.2\.5/24 +--port=d0", out, re.M), out)
    check(re.search(r"^d1 .*--port=d1 --addr=ADDR/LEN", out, re.M), out)


def told(space, *words, **env):
    """What a dry run says: the variables, and the command."""
    code, out, err = run(space, "--dry-run", *words, **env)
    equal((code, err), (0, []), f"{words}")
    lines = shlex.split(out.replace("\\\n", " "))
    n = next(i for i, x in enumerate(lines) if not re.match("[A-Z_]+=", x))
    return dict(x.split("=", 1) for x in lines[:n]), lines[n:]


def good():
    space = with_devices()
    # by themselves huge pages are taken where enough are free
    env, command = told(space, "--no-huge", "--port=d0", "prog", "--port=x", "a b", "it's")
    equal(command, ["prog", "--port=x", "a b", "it's"], "the command")
    equal(env["LD_PRELOAD"], PROGRAMS["preload"], "the library")
    eal = env["DPVMA_EAL_ARGS"]
    check(eal.startswith("--vdev=net_af_packet0,iface=d0 --no-huge -m "), eal)
    check("DPVMA_PORTS" not in env, "the kernel's addresses are used")
    check(int(env["VMA_RX_BUFS"]) < 200000 and int(env["VMA_TX_BUFS"]) < 200000, env)
    # by more buffers, more memory; what somebody said stays
    more, _ = told(space, "--no-huge", "--port=d0", "--set=VMA_RX_BUFS=200000", "prog",
                   VMA_TX_BUFS="100000")
    equal(more["VMA_RX_BUFS"], "200000", "buffers")
    check("VMA_TX_BUFS" not in more, "what is set is left alone")
    size = [int(re.search(r"-m (\d+)", e["DPVMA_EAL_ARGS"])[1]) for e in (env, more)]
    check(size[1] > 2 * size[0], f"megabytes: {size}")
    for words, wanted in (
            (["--port=d0", "--pmd=af_xdp"], {"DPVMA_EAL_ARGS": "^--vdev=net_af_xdp0,iface=d0 "}),
            (["--port=0000:03:00.0,x=1", "--addr=10.0.0.1/24"],
             {"DPVMA_EAL_ARGS": "^-a 0000:03:00.0,x=1 ",
              "DPVMA_PORTS": "^0000:03:00.0=10.0.0.1/24$"}),
            (["--port=03:00.0", "--addr=10.0.0.1/24"], {"DPVMA_EAL_ARGS": "^-a 0000:03:00.0 "}),
            ([MEMIF, "--addr=10.0.0.1/24,gw=10.0.0.2"],
             {"DPVMA_EAL_ARGS": "--vdev=net_memif0,role=server,id=0,socket=/tmp/m.sock,"
                                "socket-abstract=no ",
              "DPVMA_PORTS": "^net_memif0=10.0.0.1/24,gw=10.0.0.2$"}),
            (["--port=tap:t0", "--addr=10.0.0.1/24", "--port=d0"],
             {"DPVMA_EAL_ARGS": "^--vdev=net_tap0,iface=t0 --vdev=net_af_packet1,iface=d0 ",
              "DPVMA_PORTS": "^net_tap0=10.0.0.1/24;net_af_packet1=mtu=1500$"}),
            (["--port=net_null3,size=100", "--addr=10.0.0.1/24"],
             {"DPVMA_EAL_ARGS": "^--vdev=net_null3,size=100 "}),
            (["--port=d0", "--memory=99", "--no-huge"], {"DPVMA_EAL_ARGS": " --no-huge -m 99$"}),
            (["--port=d0", "--eal=-l 1 -m 77"], {"DPVMA_EAL_ARGS": "iface=d0 -l 1 -m 77$"}),
            (["--port=d0", "--profile=latency", "--set=VMA_RX_POLL=0", "--rules=/dev/null"],
             {"VMA_SPEC": "^latency$", "VMA_RX_POLL": "^0$", "VMA_CONFIG_FILE": "^/dev/null$"}),
            (["--sim", "--sim-wire=shm:a"],
             {"CONNECTX_WIRE": "^shm:a$", "CONNECTX_NETDEV": "^nic0$",
              "DPVMA_EAL_ARGS": "^-a 0000:03:00.0,", "LD_PRELOAD":
              f"^{re.escape(PROGRAMS['preload'])} {re.escape(PROGRAMS['connectx'])}$"})):
        env, _ = told(space, *words, "prog")
        for name, pattern in wanted.items():
            check(re.search(pattern, env.get(name, "")), f"{words}: {name}={env.get(name)}")
    # who names no port has named them in the environment
    env, _ = told(space, "prog", DPVMA_EAL_ARGS="--vdev=net_null0 -m 64")
    equal(env["DPVMA_EAL_ARGS"], "--vdev=net_null0 -m 64", "EAL's arguments")
    # what is preloaded already stays, behind
    env, _ = told(space, "--port=d0", "prog", LD_PRELOAD="libm.so.6")
    equal(env["LD_PRELOAD"], f"{PROGRAMS['preload']} libm.so.6", "the libraries")
    # a profile's buffers are not ours to change
    env, _ = told(space, "--port=d0", "--profile=ultra-latency", "prog")
    check("VMA_RX_BUFS" not in env and "VMA_RX_WRE" not in env, env)


def codes():
    """The exit code and the output are the program's, or those of env(1)."""
    space = with_devices()
    for words, want in ((["sh", "-c", "exit 7"], 7), (["/nonexistent"], 127), (["nosuchprog"], 127),
                        (["/etc/passwd"], 126), (["/"], 126)):
        for options in (["--port=d0"], ["--sim"]):
            code, _, err = run(space, *options, *words)
            equal(code, want, f"{options} {words}: {err}")
            equal(len(err), 0 if want == 7 else 1, f"{options} {words}: {err}")
    code, out, err = run(space, "--verbose", "--port=d0", "echo", "hello")
    equal((code, out), (0, "hello\n"), err)
    check(any("ordinary" in x or "huge" in x for x in err) and "echo hello" in err, err)


def without_library():
    """A copy that lies alone says what it misses, and where it looked."""
    space = with_devices()
    there = os.path.join(lab.scratch, "app", "run")
    os.makedirs(there)
    with open(PROGRAMS["run"], "rb") as f, open(os.path.join(there, "dpvma-run"), "wb") as to:
        to.write(f.read())
        os.fchmod(to.fileno(), 0o755)
    process = space.start([os.path.join(there, "dpvma-run"), "--port=d0", "true"], env=NOTHING,
                          text=True, stderr=subprocess.PIPE)
    err = process.communicate(timeout=60)[1]
    equal(process.returncode, 125, err)
    for word in ("libdpvma-preload.so", lab.scratch, "ninja -C build"):
        check(word in err, err)


main(bad, which_port, good, codes, without_library)
