#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
shm.py LIBRARY [SECONDS]: how fast the software ConnectX's cable of shared memory is, from one
dpdk-testpmd to another on two processors, each with its poller and its device thread: txonly to
rxonly, one queue. The receiver holds back the sender (lossless=1), so that what is sent arrives, on
two processors that four threads share.

Prints a table: what arrived, and how much of the time each thread ran and waited for a processor,
since that is what limits it here.
"""
import glob
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

LIBRARY = os.path.abspath(sys.argv[1])
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 5
CABLE = f"bench-{os.getpid()}"
PATIENCE = 60


class Testpmd:
    """One of the two, at its prompt."""

    def __init__(self, name, core, devargs, options, mtu, megabytes, device_core):
        free = 2 * int(re.search(r"HugePages_Free:\s+(\d+)", open("/proc/meminfo").read())[1])
        memory = "--in-memory" if free > megabytes + 64 else "--no-huge --no-shconf"
        env = dict(os.environ, LD_PRELOAD=LIBRARY, CONNECTX_WIRE=f"shm:{CABLE},lossless=1",
                   CONNECTX_MTU=str(mtu), CONNECTX_CPU=str(device_core))
        self.out = ""
        self.prefix = f"{name}-{os.getpid()}"
        # a terminal, so that it says what it has to say at once
        self.tty, other = pty.openpty()
        self.p = subprocess.Popen(
            ["unshare", "-n", "dpdk-testpmd", f"--lcores=0@{core},1@{core}", "--no-telemetry",
             f"--file-prefix={self.prefix}", *memory.split(), "-m", str(megabytes),
             "-a", f"0000:03:00.0,{devargs}", "--", "-i", "--nb-cores=1", "--no-lsc-interrupt",
             *options], env=env, stdin=other, stdout=other, stderr=other)
        os.close(other)

    def wait(self, words, start=0):
        """Until the words stand in the output from start on."""
        end = time.monotonic() + PATIENCE
        while words not in self.out[start:]:
            if time.monotonic() > end:
                sys.exit(f"no \"{words}\" from dpdk-testpmd:\n{self.out}")
            if select.select([self.tty], [], [], 0.1)[0]:
                try:
                    self.out += os.read(self.tty, 65536).decode(errors="replace")
                except OSError:  # EIO: it has ended, and all is read
                    sys.exit(f"dpdk-testpmd ended without \"{words}\":\n{self.out}")
        return self.out[start:]

    def ask(self, line, words="testpmd> "):
        start = len(self.out)
        os.write(self.tty, (line + "\n").encode())
        return self.wait(words, start)

    def counter(self, name):
        return int(re.search(name + r":\s+(\d+)", self.ask("show port stats 0", "Tx-pps"))[1])

    def threads(self):
        """Nanoseconds that each thread ran, and waited for a processor."""
        found = {}
        for task in glob.glob(f"/proc/{self.p.pid}/task/*"):
            with open(task + "/comm") as f:
                name = f.read().strip()
            with open(task + "/schedstat") as f:
                ran, waited, _ = (int(w) for w in f.read().split())
            if name in ("connectx", "rte-worker-1"):
                found[name] = ran, waited
        return found

    def end(self):
        self.ask("stop", "Done.")
        os.write(self.tty, b"quit\n")
        # to the last word: who ends waits for its terminal to be read
        try:
            while os.read(self.tty, 65536):
                pass
        except OSError:  # EIO: it has closed its end
            pass
        self.p.wait(PATIENCE)
        os.close(self.tty)
        # EAL leaves the directory of its file prefix
        shutil.rmtree(f"/var/run/dpdk/{self.prefix}", ignore_errors=True)


def run(size, mprq, rxd, txd, mbufs, megabytes):
    room = 2048 if size < 2000 else 9216
    common = [f"--total-num-mbufs={mbufs}", f"--mbuf-size={room + 128}", "--burst=64"]
    if size > 1500:
        common.append(f"--max-pkt-len={size + 18}")
    mtu = max(size, 1500)
    receiver = Testpmd("rx", 1, mprq, ["--forward-mode=rxonly", f"--rxd={rxd}", *common], mtu,
                       megabytes, 1)
    sender = Testpmd("tx", 0, "mprq_en=0", ["--forward-mode=txonly", f"--txd={txd}", *common,
                                            f"--txpkts={size}"], mtu, megabytes, 0)
    for one in (receiver, sender):
        one.wait("testpmd> ")
        one.ask("start", "packets/burst")
    time.sleep(1)  # caches, clocks, and the sleepers find their rhythm
    before = receiver.counter("RX-packets"), receiver.threads(), sender.threads()
    start = time.monotonic()
    time.sleep(SECONDS)
    after = receiver.counter("RX-packets"), receiver.threads(), sender.threads()
    took = time.monotonic() - start
    missed = receiver.counter("RX-missed")
    for one in (sender, receiver):
        one.end()
    rate = (after[0] - before[0]) / took
    shares = []
    for old, new in zip(before[1:], after[1:]):
        for name in ("connectx", "rte-worker-1"):
            ran, waited = ((new[name][i] - old[name][i]) / took / 1e7 for i in (0, 1))
            shares.append(f"{ran:.0f} / {waited:.0f}")
    print(f"| {size} | {rate / 1e6:.2f} | {rate * size * 8 / 1e9:.1f} | {missed} | "
          f"{' | '.join(shares)} |", flush=True)
    return rate


print("| bytes | Mpps | Gbit/s | missed | receiver: device, % ran / waited | its poller "
      "| sender: device | its poller |\n|---|---|---|---|---|---|---|---|")
run(64, "mprq_en=1,rxqs_min_mprq=1,mprq_log_stride_num=9,mprq_log_stride_size=8", 16384, 16384,
    65536, 400)
run(64, "mprq_en=0", 8192, 16384, 65536, 400)
run(1500, "mprq_en=1,rxqs_min_mprq=1", 4096, 4096, 16384, 400)
run(9000, "mprq_en=1,rxqs_min_mprq=1,mprq_log_stride_num=6,mprq_log_stride_size=13", 1024, 512,
    8192, 500)
