#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
A program that makes libc's calls in all kinds of ways, as it is and under libdpvma-preload.so: both
must say the same. Usage: differ.py PROGRAM PRELOAD
"""
import difflib
import os
import subprocess
import sys

PROGRAM, PRELOAD = sys.argv[1:3]


def run(*args, **env):
    env = {**{k: v for k, v in os.environ.items() if not k.startswith(("VMA_", "DPVMA_"))}, **env}
    r = subprocess.run([PROGRAM, *args], env=env, capture_output=True, text=True, timeout=50)
    if r.returncode != 0:
        sys.exit(f"exit code {r.returncode} with {env.get('LD_PRELOAD')}\n{r.stdout}{r.stderr}")
    return r.stdout, r.stderr


def same(name, args, loaded, **env):
    plain = run(*args)
    under = run(*args, LD_PRELOAD=PRELOAD, **env)
    diff = "\n".join(difflib.unified_diff(plain[0].splitlines(), under[0].splitlines(), "plain",
                                          "preloaded", lineterm=""))
    if diff:
        sys.exit(f"{name}:\n{diff}\n{under[1]}")
    said = "libdpvma.so loaded" in under[1]
    if said != loaded:
        sys.exit(f"{name}: libdpvma.so was {'' if said else 'not '}loaded\n{under[1]}")
    print("ok", name)


stack = dict(DPVMA_EAL_ARGS="-l 0 --no-pci --no-huge --no-shconf --no-telemetry -m 256 "
             "--vdev=net_null0", DPVMA_PORTS="net_null0=10.9.0.1/24", VMA_RX_BUFS="8192",
             VMA_RX_WRE="1024", VMA_TX_BUFS="4096", VMA_TX_WRE="1024", DPVMA_QUEUES="2",
             VMA_TRACELEVEL="error")
same("no port needed", [], False, **stack)
same("with a port", ["ports"], True, **stack)
same("dpvma does not start", ["ports"], True, DPVMA_EAL_ARGS="--no-pci --no-huge -m 64",
     VMA_TRACELEVEL="none")
