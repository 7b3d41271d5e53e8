# SPDX-License-Identifier: BSD-3-Clause
"""
A program as it is and under libdpvma-preload.so, for the tests of what it says: it must be the same.
Their arguments are PROGRAM PRELOAD.
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
