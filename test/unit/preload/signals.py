#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Signals of a program, as it is and under libdpvma-preload.so: handlers that are set and told, and
calls on a port's sockets that end by them, while they poll and while they sleep. Usage: signals.py
PROGRAM PRELOAD
"""
from beside import PORT, PRELOAD, run, same

same("handlers", run(), run(LD_PRELOAD=PRELOAD))
kernel = run("127.0.0.1")
for polls in "-1", "0":
    same(f"calls that end, VMA_RX_POLL={polls}", kernel,
         run("10.9.0.1", LD_PRELOAD=PRELOAD, VMA_RX_POLL=polls, VMA_SELECT_POLL=polls, **PORT))
