#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Bad addresses in calls on a port's socket, and faults of the program itself, as it is and under
libdpvma-preload.so. Usage: faults.py PROGRAM PRELOAD
"""
from beside import PORT, PRELOAD, run, same

same("faults", run("127.0.0.1"), run("10.9.0.1", LD_PRELOAD=PRELOAD, **PORT))
