#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
A program that makes libc's calls in all kinds of ways, as it is and under libdpvma-preload.so: both
must say the same. Usage: differ.py PROGRAM PRELOAD
"""
import difflib
import os
import shutil
import subprocess
import sys
import tempfile

from beside import PORT

PROGRAM, PRELOAD = sys.argv[1:3]


def run(*args, **env):
    env = {**{k: v for k, v in os.environ.items()
              if not k.startswith(("VMA_", "DPVMA_", "LD_LIBRARY"))}, **env}
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


stack = dict(PORT, DPVMA_EAL_ARGS=PORT["DPVMA_EAL_ARGS"].replace(",no-rx=1", ""))
same("no port needed", [], False, **stack)
same("with a port", ["ports"], True, **stack)
same("with a port, never asleep", ["ports"], True, VMA_RX_POLL="-1", VMA_SELECT_POLL="-1", **stack)
same("dpvma does not start", ["ports"], True, DPVMA_EAL_ARGS="--no-pci --no-huge -m 64",
     VMA_TRACELEVEL="none")

# alone in a directory: one line says so, and every socket is the kernel's
with tempfile.TemporaryDirectory() as alone:
    PRELOAD = shutil.copy(PRELOAD, alone)
    same("no libdpvma.so", ["ports"], False, **stack)
    said = run("ports", LD_PRELOAD=PRELOAD, **stack)[1]
    lines = [line for line in said.splitlines() if "libdpvma.so cannot be used" in line]
    if len(lines) != 1:
        sys.exit(f"not one line about a missing libdpvma.so:\n{said}")
