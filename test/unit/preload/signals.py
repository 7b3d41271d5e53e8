#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Signals of a program, as it is and under libdpvma-preload.so: handlers that are set and told, and
calls on a port's sockets that end by them, while they poll and while they sleep. Usage: signals.py
PROGRAM PRELOAD
"""
import difflib
import os
import subprocess
import sys

PROGRAM, PRELOAD = sys.argv[1:3]
PORT = dict(DPVMA_EAL_ARGS="-l 0 --no-pci --no-huge --no-shconf --no-telemetry -m 256 "
            "--vdev=net_null0,no-rx=1", DPVMA_PORTS="net_null0=10.9.0.1/24", VMA_RX_BUFS="8192",
            VMA_RX_WRE="1024", VMA_TX_BUFS="4096", VMA_TX_WRE="1024", DPVMA_QUEUES="2",
            VMA_TRACELEVEL="error")


def run(*args, **env):
    env = {**{k: v for k, v in os.environ.items() if not k.startswith(("VMA_", "DPVMA_"))}, **env}
    r = subprocess.run([PROGRAM, *args], env=env, capture_output=True, text=True, timeout=60)
    if r.returncode != 0:
        sys.exit(f"exit code {r.returncode} with {env.get('LD_PRELOAD')}\n{r.stdout}{r.stderr}")
    return r.stdout


def same(name, plain, under):
    diff = "\n".join(difflib.unified_diff(plain.splitlines(), under.splitlines(), "plain",
                                          "preloaded", lineterm=""))
    if diff:
        sys.exit(f"{name}:\n{diff}")
    if not plain:
        sys.exit(f"{name}: nothing was said")
    print("ok", name)


same("handlers", run(), run(LD_PRELOAD=PRELOAD))
kernel = run("127.0.0.1")
for polls in "-1", "0":
    same(f"calls that end, VMA_RX_POLL={polls}", kernel,
         run("10.9.0.1", LD_PRELOAD=PRELOAD, VMA_RX_POLL=polls, VMA_SELECT_POLL=polls, **PORT))
