# SPDX-License-Identifier: BSD-3-Clause
"""
What the tests of the whole stack have in common: network namespaces without names (they go when the
test goes, however that happens), the program under test behind a pipe, kernel sockets, frames made
by hand, and waiting for conditions with a deadline. Standard library only.

A test is a script with functions in a list; lab.main() runs them in order and ends with 77 where
the machine forbids namespaces or TAP devices.
"""
import atexit
import ctypes
import errno
import glob
import json
import os
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import traceback

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PATIENCE = 10  # seconds until something that should happen counts as not happening
QUIET = 0.3  # seconds in which something that should not happen must not
IDLE_S = 1.0
IDLE_SHARE = 0.1  # of a processor that an idle wait may use
WAKE_S = 0.5  # far above what waking takes, far below any timer of the library's

HOST_IP, PEER_IP, NET = "10.99.0.2", "10.99.0.1", 24
NIC_MAC = "02:11:22:33:44:55"
# what the namespaces are built from, given by meson; files of the build
PROGRAMS = json.loads(os.environ.get("STACK_PROGRAMS", "{}"))

processes = []
scratch = None


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def equal(got, want, text):
    if got != want:
        short = [repr(x) if len(repr(x)) < 300 else repr(x)[:300] + "..." for x in (got, want)]
        raise Failed(f"{text}: got {short[0]}, want {short[1]}")


def wait_for(condition, text, patience=PATIENCE):
    """Until the condition is true; its value."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < end, f"waited {patience} s in vain: {text}")
        time.sleep(0.01)


def setns(fd):
    if LIBC.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Space:
    """A network namespace that only this process holds. In a with: sockets made are its."""

    def __init__(self):
        before = os.open("/proc/self/ns/net", os.O_RDONLY)
        if LIBC.unshare(CLONE_NEWNET) != 0:
            skip("unshare(CLONE_NEWNET) is not allowed here")
        self.fd = os.open("/proc/self/ns/net", os.O_RDONLY)
        # the hosts' own chatter stays out of the counters
        for which in ("all", "default"):
            try:
                with open(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6", "w") as f:
                    f.write("1")
            except OSError:
                pass
        setns(before)
        os.close(before)
        self.before = []
        self.ip("link", "set", "lo", "up")

    @property
    def path(self):
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def __enter__(self):
        self.before.append(os.open("/proc/self/ns/net", os.O_RDONLY))
        setns(self.fd)
        return self

    def __exit__(self, *_):
        fd = self.before.pop()
        setns(fd)
        os.close(fd)

    def start(self, argv, **more):
        """A process inside, which ends when this one does."""
        fd = self.fd

        def inside():
            setns(fd)
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        process = subprocess.Popen(argv, preexec_fn=inside, **more)
        processes.append(process)
        return process

    def run(self, *argv, ok=True):
        process = self.start(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        out = process.communicate(timeout=60)[0]
        processes.remove(process)
        check(not ok or process.returncode == 0, f"{' '.join(argv)}: {out}")
        return out

    def ip(self, *words):
        return self.run("ip", *words)

    def sysctl(self, name, value):
        with self:
            with open("/proc/sys/" + name.replace(".", "/"), "w") as f:
                f.write(str(value))

    def udp(self, addr="0.0.0.0", port=0, timeout=PATIENCE):
        """A kernel socket."""
        with self:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        s.settimeout(timeout)
        s.bind((addr, port))
        return s

    def packets(self, ifname, proto=3):
        """A packet socket, of all protocols."""
        with self:
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(proto))
            s.bind((ifname, proto))
        s.settimeout(PATIENCE)
        return s


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def need_tun():
    """The kernel's TUN device; where only its node is missing, as in some containers, it is made."""
    node = "/dev/net/tun"
    if not os.path.exists(node):
        os.makedirs(os.path.dirname(node), exist_ok=True)
        os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(10, 200))
        atexit.register(os.unlink, node)
    try:
        os.close(os.open(node, os.O_RDWR))
    except OSError as e:
        skip(f"this kernel has no TUN: {e}")


def memory(megabytes):
    """Arguments of EAL: huge pages only where the runner says that they are there."""
    free = 0
    with open("/proc/meminfo") as f:
        for line in f:
            if line.startswith("HugePages_Free"):
                free = int(line.split()[1])
    if os.environ.get("HUGE") == "1" and free * 2 >= megabytes + 64:
        return f"--in-memory -m {megabytes}"
    return f"--no-huge --no-shconf -m {megabytes}"


def small(**more):
    """An environment with buffers for a test, not for a data centre."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("VMA_", "DPVMA_", "CONNECTX"))}
    env.update(VMA_RX_BUFS="8192", VMA_RX_WRE="2048", VMA_TX_BUFS="4096", VMA_TX_WRE="1024",
               DPVMA_QUEUES="2", VMA_TRACELEVEL="warning")
    env.update({k: str(v) for k, v in more.items()})
    return env


class Agent:
    """
    The program agent in a namespace; call() gives it a line and returns its answer. Without EAL
    arguments it makes the kernel's calls.
    """

    def __init__(self, space, eal, megabytes=320, **env):
        argv = [PROGRAMS["agent"]] + (["kernel"] if eal is None else [])
        env = small(DPVMA_EAL_ARGS=f"{eal} --no-telemetry {memory(megabytes)}", **env)
        self.log = open(os.path.join(scratch, f"agent-{len(processes)}.log"), "w+b")
        self.p = space.start(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=self.log)
        self.pid = self.p.pid
        self.rest = b""
        self.awaited = 0

    def said(self):
        self.log.flush()
        with open(self.log.name, errors="replace") as f:
            return f.read()

    def ask(self, *line):
        """Without waiting for the answer."""
        self.p.stdin.write((" ".join(str(w) for w in line) + "\n").encode())
        self.p.stdin.flush()
        self.awaited += 1

    def answer(self, patience=PATIENCE):
        """The words of the answer; None when there is none in time."""
        end = time.monotonic() + patience
        out = self.p.stdout.fileno()
        while b"\n" not in self.rest:
            left = end - time.monotonic()
            if left <= 0 or not select.select([out], [], [], left)[0]:
                return None
            got = os.read(out, 1 << 20)
            if not got:
                raise Failed(f"the agent ended with {self.p.wait()}:\n{self.said()}")
            self.rest += got
        line, self.rest = self.rest.split(b"\n", 1)
        self.awaited -= 1
        return line.decode().split(" ")

    def call(self, *line, patience=60):
        """The answer's words after "ok"; OSError of what the call set as errno."""
        self.ask(*line)
        words = self.answer(patience)
        check(words is not None, f"no answer to {line[0]} in {patience} s\n{self.said()}")
        if words[0] == "err":
            check(hasattr(errno, words[1]), f"{line[0]}: {words}")
            raise OSError(getattr(errno, words[1]), " ".join(str(w)[:40] for w in line))
        return words[1:]

    def number(self, *line, **more):
        return int(self.call(*line, **more)[0])

    def fails(self, *line):
        """The name of the errno a call sets."""
        try:
            self.call(*line)
        except OSError as e:
            return errno.errorcode[e.errno]
        raise Failed(f"{line} did not fail")

    # the calls, in Python's clothes
    def init(self):
        self.call("init", patience=60)
        return self

    def socket(self, addr=None, port=0):
        fd = self.number("socket")
        if addr is not None:
            self.call("bind", fd, addr, port)
        return fd

    def setopt(self, fd, level, name, value):
        if isinstance(value, int):
            value = struct.pack("i", value)
        self.call("setopt", fd, level, name, value.hex() or "-")

    def send(self, fd, data, to=None, flags=0):
        if to is None:
            return self.number("send", fd, flags, data.hex() or "-")
        return self.number("sendto", fd, flags, data.hex() or "-", *to)

    def recv(self, fd, flags=0, room=65536, patience=PATIENCE):
        """(bytes, (addr, port), flags, {(level, type): bytes}); a failure when nothing comes."""
        words = self.call("recv", fd, flags, room, patience=patience)
        data = b"" if words[1] == "-" else bytes.fromhex(words[1])
        cmsg = {}
        for w in words[5:]:
            level, kind, value = w.split(":")
            cmsg[int(level), int(kind)] = b"" if value == "-" else bytes.fromhex(value)
        return data, (words[2], int(words[3])), int(words[4]), cmsg

    def nothing(self, fd):
        """For a while nothing is to be read."""
        while True:
            try:
                got = self.call("poll", int(QUIET * 1000), f"{fd}:{select.POLLIN}")
                break
            except InterruptedError:
                pass  # net_tap tells of frames by a signal
        equal(got[0], "0", "a datagram came that should not have")

    def explain(self, fd):
        return " ".join(self.call("explain", fd))

    def dump(self):
        return json.loads(" ".join(self.call("dump")))

    def counter(self, name, kind="rings"):
        """Sum over all rings or sockets."""
        return sum(one["counters"].get(name, 0) for one in self.dump()[kind])

    def echo(self, *fds, how="echo"):
        self.ask(how, *fds)
        words = self.answer()
        equal(words, ["ok", "READY"], "echo")

    def stop_echo(self):
        self.p.stdin.write(b"\n")
        self.p.stdin.flush()
        n = int(self.answer()[1])
        self.answer()  # the empty line is no command
        return n

    def busy_ns(self):
        """Of the thread that makes the calls."""
        with open(f"/proc/{self.pid}/task/{self.pid}/schedstat") as f:
            return int(f.read().split()[0])

    def asleep(self):
        """The calling thread is in a wait of the kernel's."""
        task = f"/proc/{self.pid}/task/{self.pid}"
        since = time.monotonic()

        def in_poll():
            with open(f"{task}/wchan") as f:
                where = f.read()
            if where not in ("", "0"):
                return "poll" in where
            # a kernel that does not tell: it has read the line by then
            with open(f"{task}/stat") as f:
                state = f.read().rsplit(")", 1)[1].split()[0]
            return state == "S" and time.monotonic() > since + 0.05
        wait_for(in_poll, "the thread sleeps in a poll")

    def idle(self):
        """It sleeps, and the processor is free meanwhile."""
        self.asleep()
        before, start = self.busy_ns(), time.monotonic()
        equal(self.answer(IDLE_S), None, "an answer without a reason")
        share = (self.busy_ns() - before) / 1e9 / (time.monotonic() - start)
        check(share < IDLE_SHARE, f"{share:.1%} of a processor while idle")

    def end(self):
        """End of input: the program leaves by itself."""
        self.p.stdin.close()
        try:
            code = self.p.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed(f"the agent does not end\n{self.said()}") from None
        equal(code, 0, f"exit code\n{self.said()}")

    def kill(self):
        self.p.kill()
        self.p.wait()


class Tap:
    """An agent on net_tap: the kernel's device is the other end, no kernel is behind the port."""

    PEER_IP, IP = "10.97.0.1", "10.97.0.2"

    def __init__(self, **env):
        need_tun()
        self.space = Space()
        env.setdefault("DPVMA_PORTS", f"net_tap0={self.IP}/24")
        self.agent = Agent(self.space, "-l 0 --no-pci --vdev=net_tap0,iface=dtap0",
                           DPVMA_QUEUES="1", **env).init()
        self.space.ip("link", "set", "dtap0", "up")
        self.space.ip("addr", "add", f"{self.PEER_IP}/24", "dev", "dtap0")

    def macs(self):
        """Of the port and of the kernel's device; both sides have heard of each other then."""
        keep = self.agent.socket(self.IP, 1)  # a port without a ring answers nobody
        self.space.run("ping", "-c", "1", "-W", "5", self.IP)
        self.agent.call("close", keep)
        link = self.space.ip("-j", "link", "show", "dtap0")
        neigh = self.space.ip("-j", "neigh", "show", "to", self.IP)
        return json.loads(neigh)[0]["lladdr"], json.loads(link)[0]["address"]


class Testpmd:
    """
    dpvma-testpmd; result() waits for its end and gives what it wrote as JSON. Without EAL arguments
    it is on the kernel's sockets.
    """

    def __init__(self, space, eal, *options, megabytes=320, ready=True, cpu=None, **env):
        self.name = f"testpmd-{len(processes)}"
        self.json = os.path.join(scratch, self.name + ".json")
        self.log = os.path.join(scratch, self.name + ".log")
        self.prefix = f"dpvma-stack-{os.getpid()}-{len(processes)}"
        argv = ["--", "--kernel"] if eal is None else [
            *eal.split(), "--no-telemetry", *memory(megabytes).split(),
            f"--file-prefix={self.prefix}", "--"]
        on = [] if cpu is None else ["taskset", "-c", str(cpu)]
        argv = [*on, PROGRAMS["testpmd"], *argv, "--quiet", f"--json={self.json}", *options]
        with open(self.log, "w") as log:
            self.p = space.start(argv, env=small(**env), stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=log)
        self.p.prefix = self.prefix
        if ready:
            wait_for(lambda: "READY" in self.said() or self.p.poll() is not None, "READY", 60)
            check("READY" in self.said(), f"{self.name} did not start")

    def said(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def result(self, patience=60):
        try:
            code = self.p.wait(patience)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} does not end") from None
        equal(code, 0, f"exit code of {self.name}\n{self.said()[-900:]}")
        equal(trace(self.p.pid, self.prefix), [], "left behind")
        with open(self.json) as f:
            got = json.load(f)
        self.out = self.said()
        os.remove(self.log)  # nothing to show of what went well
        return got


class Mlx5Wire:
    """A software ConnectX whose wire is a TAP of the peer's; its netdev is nic0 in the host."""

    def __init__(self):
        need_tun()
        self.host, self.peer = Space(), Space()
        self.host.ip("tuntap", "add", "nic0", "mode", "tap")
        self.host.ip("link", "set", "nic0", "address", NIC_MAC, "up")
        self.host.ip("addr", "add", f"{HOST_IP}/{NET}", "dev", "nic0")

    def agent(self, connect=True, **env):
        env.setdefault("CONNECTX_WIRE", "tap:wire0")
        agent = Agent(self.host, "-a 0000:03:00.0 -l 0", LD_PRELOAD=PROGRAMS["connectx"],
                      CONNECTX_NETDEV="nic0", **env)
        agent.init()
        if connect:
            self.plug()
        return agent

    def plug(self):
        """The far end of the wire goes to the peer; it is gone with the agent."""
        self.host.ip("link", "set", "wire0", "netns", self.peer.path)
        self.peer.ip("link", "set", "wire0", "txqueuelen", "10000", "up")
        # the default queue has no lock and reorders what a sender that changes processors gives it
        self.peer.run("tc", "qdisc", "replace", "dev", "wire0", "root", "pfifo", "limit", "10000")
        self.peer.ip("addr", "add", f"{PEER_IP}/{NET}", "dev", "wire0")

    def warm(self, addr=HOST_IP):
        """Both sides know each other's address."""
        self.peer.run("ping", "-c", "1", "-W", "5", addr)


def pattern(size, seed):
    """Bytes that differ by position and by datagram."""
    unit = bytes((seed * 31 + i * 7 + (i >> 8)) & 255 for i in range(min(size, 4096)))
    return (unit * (size // 4096 + 1))[:size]


# frames by hand
def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ether(dst, src, payload, kind=0x0800, vlan=None):
    tag = b"" if vlan is None else struct.pack("!HH", 0x8100, vlan)
    frame = mac(dst) + mac(src) + tag + struct.pack("!H", kind) + payload
    return frame + bytes(max(0, 60 - len(frame)))


def ipv4(src, dst, payload, proto=17, ident=1, offset=0, ttl=64, tos=0, check=None, total=None,
         ihl=5, version=4):
    head = struct.pack("!BBHHHBBH4s4s", version << 4 | ihl, tos,
                       20 + len(payload) if total is None else total, ident, offset, ttl, proto, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    sum_ = checksum(head) if check is None else check
    return head[:10] + struct.pack("!H", sum_) + head[12:] + payload


def udp(src, dst, sport, dport, data, check=None, length=None):
    length = 8 + len(data) if length is None else length
    head = struct.pack("!HHHH", sport, dport, length, 0)
    if check is None:
        pseudo = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!BBH", 0, 17,
                                                                            8 + len(data))
        check = checksum(pseudo + head + data) or 0xffff
    return head[:6] + struct.pack("!H", check) + data


def capture(sock, wanted, text, patience=PATIENCE):
    """The first frame for which wanted(frame) is true."""
    end = time.monotonic() + patience
    while True:
        left = end - time.monotonic()
        check(left > 0, f"no such frame in {patience} s: {text}")
        sock.settimeout(left)
        try:
            frame = sock.recv(65536)
        except TimeoutError:
            continue
        if wanted(frame):
            return frame


def is_proto(frame, proto):
    return len(frame) >= 34 and frame[12:14] == b"\x08\x00" and frame[23] == proto


def trace(pid, prefix=None):
    """What of a process with that number, and that file prefix, lies about."""
    prefix = prefix or f"dpvma-{pid}"
    return [p for place in (f"/tmp/connectx-{pid}-*", f"/var/run/dpdk/{prefix}",
                            f"/dev/hugepages/{prefix}*") for p in glob.glob(place)]


def forget(process, prefix):
    """A killed process leaves the directory of its EAL, until the next start of ours removes it."""
    for path in trace(process.pid, prefix):
        shutil.rmtree(path, ignore_errors=True)


def end_all():
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()
        forget(process, getattr(process, "prefix", None))


def main(*tests):
    """Run functions in order, the first failure ends it; names on the command line choose."""
    global scratch
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sig, lambda n, _: sys.exit(128 + n))
    atexit.register(end_all)
    if os.geteuid() != 0:
        skip("namespaces and devices need root")
    chosen = [t for t in tests if not sys.argv[1:] or t.__name__ in sys.argv[1:]]
    with tempfile.TemporaryDirectory(prefix="dpvma-stack-") as scratch:
        try:
            for test in chosen:
                start = time.monotonic()
                test()
                print(f"ok {test.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
        except (Failed, OSError, subprocess.TimeoutExpired):
            traceback.print_exc()
            print(f"FAILED: {test.__name__}", flush=True)
            end_all()
            for name in sorted(os.listdir(scratch)):
                if name.endswith(".log"):
                    with open(os.path.join(scratch, name), errors="replace") as f:
                        print(f"--- {name}\n{f.read()}", end="")
            sys.exit(1)
        finally:
            end_all()
