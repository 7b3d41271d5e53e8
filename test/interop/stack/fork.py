#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
fork, exec and exit of an unmodified program on a port: what a child has and what it can do, what is
left of the port when the program has ended in one of many ways, and that the kernel carries on.
The program is this file with arguments, under libdpvma-preload.so.
"""
import ctypes
import errno
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import (PATIENCE, PROGRAMS, Failed, Space, check, equal, main, memory, need_tun, small,
                 trace, wait_for)

MEGABYTES = 320
IP, PEER, PORT = "10.95.0.2", "10.95.0.1", 6500


# ---- the program -------------------------------------------------------------------------------
def say(*words):
    os.write(1, (" ".join(str(w) for w in words) + "\n").encode())


def ear():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((IP, PORT))
    return s


def status(name):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(name + ":"))


def devices():
    """What this process has of devices: files and mappings."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
        # EAL's interrupt thread opens an epoll now and then, which holds nothing
        if link == "anon_inode:[eventpoll]":
            continue
        if link.startswith(("/dev/net/tun", "/dev/vfio", "/dev/infiniband", "/memfd:",
                            "anon_inode:", "/var/run/dpdk", "/run/dpdk")):
            found.append(link)
        elif link.startswith("socket:"):
            s = socket.socket(fileno=os.dup(int(fd)))
            if s.family not in (socket.AF_INET, socket.AF_INET6):
                found.append(f"{link} family {int(s.family)}")
            s.close()
    with open("/proc/self/maps") as f:
        found += [line.split(None, 5)[5].strip() for line in f
                  if any(w in line for w in ("memif_region", "/dev/vfio", "socket:", "rtemap"))]
    return ",".join(found) or "none"


def wait_for_end():
    """Until the test closes the pipe; what it says there is for the parent."""
    end = select.poll()
    end.register(0, 0)
    end.poll()


def in_child(work):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def code_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def program_children():
    """What children can do; each line is looked at by the test."""
    s = ear()
    size = status("VmSize")
    say("parent", devices() != "none", s.getsockname()[1])

    def look():
        say("child", devices())
        say("memory", size - status("VmSize") >= MEGABYTES * 1024 - 8192)
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.bind(("127.0.0.1", 0))
        other.sendto(b"self", other.getsockname())
        say("socket", other.recv(9).decode())
        stream = socket.socket()
        stream.bind(("127.0.0.1", 0))
        stream.listen()
        dial = socket.create_connection(stream.getsockname())
        say("accepted", stream.accept()[0].getpeername() == dial.getsockname())
        lib = ctypes.CDLL(os.path.join(os.path.dirname(os.environ["LD_PRELOAD"]), "libdpvma.so.0"))
        why = ctypes.create_string_buffer(200)
        asks = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        asks.bind(("", 0))
        lib.dpvma_explain(asks.fileno(), why, len(why))
        say("why", b"forked" in why.value)
        say("grandchild", code_of(in_child(lambda: say("below", devices()))))
    say("left", code_of(in_child(look)))
    # through exit(): destructors and exit handlers of all libraries
    libc = ctypes.CDLL(None)
    pid = os.fork()
    if pid == 0:
        libc.exit(5)
    say("exit", code_of(pid))
    pid = os.fork()
    if pid == 0:
        libc.pthread_exit(None)
    say("pthread_exit", code_of(pid))
    # what libc makes children by inside
    say("system", libc.system(b"exit 3") >> 8)
    say("popen", os.popen("echo popen").read().strip())
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "ls -l /proc/self/fd | grep -c net/tun; true"],
                         os.environ)
    say("spawned", code_of(pid))
    out = subprocess.run(["sh", "-c", "ls -l /proc/self/fd | grep -c net/tun"],
                         capture_output=True, text=True, close_fds=False).stdout
    say("subprocess", out.strip())
    pid = libc.vfork()
    if pid == 0:
        os._exit(6)
    say("vfork", code_of(pid))
    # and the parent has lost nothing
    say("still", devices() != "none")
    s.settimeout(PATIENCE)
    say("received", s.recv(99).decode())


def refusal(call, *args):
    ctypes.set_errno(0)
    return errno.errorcode[ctypes.get_errno()] if call(*args) < 0 else "done"


def program_closes():
    """Closes everything above standard error, in each way there is; the stack's files stay."""
    libc = ctypes.CDLL(None, use_errno=True)
    ear()
    have = devices()
    last = max(int(fd) for fd in os.listdir("/proc/self/fd")) + 16
    for close in (lambda: [libc.close(fd) for fd in range(3, last)], lambda: libc.closefrom(3),
                  lambda: libc.close_range(3, 2 ** 32 - 1, 0), lambda: os.closerange(3, last)):
        s, mine = ear(), os.open("/dev/null", os.O_RDONLY)
        before = s.fileno()
        close()
        gone = all(refusal(libc.fcntl, fd, 1) == "EBADF" for fd in (before, mine))
        s.detach()
        say("closed", gone, devices() == have)
    for fd in os.listdir("/proc/self/fd"):
        if int(fd) > 2 and os.path.exists(f"/proc/self/fd/{fd}"):
            how = refusal(libc.close, int(fd)), refusal(libc.dup2, 0, int(fd)), \
                refusal(libc.dup3, 0, int(fd), 0), refusal(libc.dup2, -1, int(fd))
            if how != ("EBADF", "EBUSY", "EBUSY", "EBADF"):
                say("file", fd, os.readlink(f"/proc/self/fd/{fd}"), *how)
    # a child may close and take what it likes
    pid = os.fork()
    if pid == 0:
        for fd in range(3, last):
            if refusal(libc.dup2, 0, fd) != "done" or refusal(libc.close, fd) != "done":
                os._exit(1)
        os._exit(0)
    say("child", code_of(pid))
    s = ear()
    s.settimeout(PATIENCE)
    say("ready")
    say("received", s.recv(99).decode())
    # what asleep it has opened since, too
    libc.closefrom(3)
    s.detach()
    s = ear()
    s.settimeout(PATIENCE)
    say("again")
    say("received", s.recv(99).decode())
    # and the stack itself may close what it has of the device
    ctypes.CDLL(os.path.join(os.path.dirname(PROGRAMS["preload"]), "libdpvma.so.0")).dpvma_exit()
    say("left", "tun" in devices())
    wait_for_end()


def end_by(how):
    libc = ctypes.CDLL(None)
    if how == "exit":
        libc.exit(0)
    elif how == "_exit":
        os._exit(0)
    elif how == "quick_exit":
        libc.quick_exit(0)
    elif how == "abort":
        os.abort()
    elif how == "segv":
        libc.raise_ = libc["raise"]
        libc.raise_(int(signal.SIGSEGV))
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "term":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)
    elif how == "int":
        # VMA_HANDLE_SIGINTR: a handler that is set after the start comes after dpvma's
        heard = []
        signal.signal(signal.SIGINT, lambda sig, frame: heard.append(sig))
        os.kill(os.getpid(), signal.SIGINT)
        if heard != [signal.SIGINT]:
            os._exit(1)
        libc.signal(int(signal.SIGINT), None)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(PATIENCE)
    elif how == "exec":
        os.execv("/bin/sh", ["sh", "-c", "echo exec; read line"])
    elif how == "thread":
        threading.Thread(target=lambda: libc.exit(0)).start()
        threading.Event().wait(PATIENCE)
    elif how == "handler":
        kind = ctypes.CFUNCTYPE(None, ctypes.c_int)
        handler = kind(lambda sig: libc.exit(0))
        libc.signal(int(signal.SIGUSR1), handler)
        libc["raise"](int(signal.SIGUSR1))
    elif how == "busy":
        # while other threads wait in calls of ours, one of them sleeping, one polling
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.bind((IP, PORT + 1))
        for _ in range(2):
            threading.Thread(target=other.recv, args=(9,), daemon=True).start()
        threading.Thread(target=select.select, args=([other], [], []), daemon=True).start()
        libc.exit(0)


def program_end(how, background):
    s = ear()
    stream = socket.socket()
    stream.bind((IP, PORT))
    stream.listen()
    if background == "background":
        def stay():
            # what a child keeps for itself are the kernel's sockets
            s.close()
            stream.close()
            say("behind", os.getpid())
            wait_for_end()
        in_child(stay)
    say("ready")
    os.read(0, 1)
    end_by(how)


def program_daemon(how):
    """A server that goes to the background with its sockets open."""
    s = ear()
    stream = socket.socket()
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    stream.bind((IP, PORT))
    stream.listen()
    say("ready")
    os.read(0, 1)
    if how == "daemon":
        ctypes.CDLL(None).daemon(1, 1)
    elif os.fork() != 0:
        ctypes.CDLL(None).exit(0)
    say("daemon", os.getpid())
    while select.select([0, s, stream], [], [])[0] != [0]:
        if select.select([s], [], [], 0)[0]:
            data, peer = s.recvfrom(99)
            s.sendto(data.upper(), peer)
        if select.select([stream], [], [], 0)[0]:
            stream.accept()[0].sendall(b"WELCOME")
        if select.select([0], [], [], 0)[0]:
            break


def program_before():
    """A child that is made before anybody needs a port, and then its parent."""
    pid = os.fork()
    if pid != 0:
        os.waitpid(pid, 0)
    inherited = len(devices())
    s = ear()
    say("parent" if pid else "child", len(devices()) > inherited)
    s.close()


# ---- the test ----------------------------------------------------------------------------------
class Program:
    def __init__(self, space, eal, *args, **env):
        env = small(DPVMA_EAL_ARGS=f"-l 0 --no-pci {eal} {memory(MEGABYTES)}", DPVMA_QUEUES="1",
                    LD_PRELOAD=PROGRAMS["preload"], **env)
        self.p = space.start([sys.executable, "-B", os.path.abspath(__file__), "program", *args],
                             env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.rest = b""

    def line(self, patience=30):
        end = time.monotonic() + patience
        while b"\n" not in self.rest:
            check(select.select([self.p.stdout], [], [], max(0, end - time.monotonic()))[0],
                  "the program says nothing")
            got = os.read(self.p.stdout.fileno(), 4096)
            check(got, f"the program ended with {self.p.poll()}")
            self.rest += got
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()

    def expect(self, *lines):
        for want in lines:
            equal(self.line(), want, "the program")

    def go(self):
        os.write(self.p.stdin.fileno(), b"x")

    def end(self):
        self.p.stdin.close()
        code = self.p.wait(PATIENCE)
        self.p.stdout.close()
        return code


def interfaces(space):
    with space:
        return [name for _, name in socket.if_nameindex()]


def tap_up(space):
    space.ip("link", "set", "ftap0", "up")
    space.ip("addr", "replace", f"{PEER}/24", "dev", "ftap0")


TAP = dict(eal="--vdev=net_tap0,iface=ftap0", DPVMA_PORTS=f"net_tap0={IP}/24")


def children():
    need_tun()
    space = Space()
    p = Program(space, TAP["eal"], "children", DPVMA_PORTS=TAP["DPVMA_PORTS"])
    p.expect(f"parent True {PORT}", "child none", "memory True", "socket self", "accepted True",
             "why True", "below none", "grandchild 0", "left 0", "exit 5", "pthread_exit 0", "system 3",
             "popen popen", "0", "spawned 0", "subprocess 0", "vfork 6", "still True")
    tap_up(space)
    with space:
        tx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # the first may come while the tap is not up yet at the other end
    wait_for(lambda: tx.sendto(b"hello", (IP, PORT)) and
             select.select([p.p.stdout], [], [], 0.2)[0], "the parent receives")
    p.expect("received hello")
    equal(p.end(), 0, "exit code")
    check("ftap0" not in interfaces(space), "the device is there yet")


def closes():
    need_tun()
    space = Space()
    p = Program(space, TAP["eal"], "closes", DPVMA_PORTS=TAP["DPVMA_PORTS"])
    p.expect(*["closed True True"] * 4, "child 0", "ready")
    tap_up(space)
    with space:
        tx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def heard():
        return tx.sendto(b"hello", (IP, PORT)) and select.select([p.p.stdout], [], [], 0.2)[0]
    wait_for(heard, "the program receives")
    p.expect("received hello", "again")
    wait_for(heard, "the program receives")
    p.expect("received hello", "left False")
    check("ftap0" not in interfaces(space), "the device is there yet")
    equal(p.end(), 0, "exit code")


ENDS = {"exit": 0, "_exit": 0, "quick_exit": 0, "abort": -signal.SIGABRT, "segv": -signal.SIGSEGV,
        "kill": -signal.SIGKILL, "term": -signal.SIGTERM, "thread": 0, "handler": 0, "busy": 0,
        "int": 128 + signal.SIGINT}


def ends():
    """A child in the background does not keep the device, however the program ends."""
    need_tun()
    space = Space()
    for how, code in ENDS.items():
        p = Program(space, TAP["eal"], "end", how, "background", DPVMA_PORTS=TAP["DPVMA_PORTS"],
                    VMA_RX_POLL="-1" if how == "busy" else "0",
                    VMA_HANDLE_SIGINTR="1" if how == "int" else "0")
        lines = {p.line(), p.line()}
        behind = next((int(x.split()[1]) for x in lines if x.startswith("behind")), None)
        check(behind is not None and "ready" in lines, f"{how}: {lines}")
        check("ftap0" in interfaces(space), f"{how}: the port's device is not there")
        p.go()
        equal(p.p.wait(30), code, f"{how}: exit code")
        check(os.path.exists(f"/proc/{behind}"), f"{how}: the child is gone, too")
        wait_for(lambda: "ftap0" not in interfaces(space), f"{how}: the device goes", 5)
        # and the number is free at once
        space.udp("0.0.0.0", PORT).close()
        p.end()
        wait_for(lambda: not os.path.exists(f"/proc/{behind}"), "the child ends")


def exec_():
    need_tun()
    space = Space()
    p = Program(space, TAP["eal"], "end", "exec", "alone", DPVMA_PORTS=TAP["DPVMA_PORTS"])
    p.expect("ready")
    check("ftap0" in interfaces(space), "the port's device is not there")
    p.go()
    p.expect("exec")
    wait_for(lambda: "ftap0" not in interfaces(space), "the device goes", 5)
    space.udp("0.0.0.0", PORT).close()
    p.end()


def daemons():
    """Sockets of a server that goes to the background are the kernel's, which hears all."""
    host, peer = Space(), Space()
    host.ip("link", "add", "d0", "type", "veth", "peer", "name", "d1", "netns", peer.path)
    for space, dev, addr in ((host, "d0", IP), (peer, "d1", PEER)):
        space.ip("link", "set", dev, "up")
        space.ip("addr", "add", f"{addr}/24", "dev", dev)
    for how in ("fork", "daemon"):
        p = Program(host, "--vdev=net_af_packet0,iface=d0", "daemon", how)
        p.expect("ready")
        p.go()
        pid = int(p.line().split()[1])
        equal(p.p.wait(30), 0, f"{how}: the parent's exit code")
        client = peer.udp(timeout=0.2)

        def answered():
            client.sendto(b"daemon", (IP, PORT))
            try:
                return client.recv(99) == b"DAEMON"
            except TimeoutError:
                return False
        wait_for(answered, f"{how}: datagrams are answered")
        with peer:
            dial = socket.create_connection((IP, PORT), PATIENCE)
        equal(dial.recv(99), b"WELCOME", f"{how}: connections are accepted")
        dial.close()
        client.close()
        p.end()
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the daemon ends")


def before():
    """Each starts a stack of its own."""
    space = Space()
    p = Program(space, "--vdev=net_null0", "before", DPVMA_PORTS=f"net_null0={IP}/24")
    p.expect("child True", "parent True")
    equal(p.end(), 0, "exit code")


def stale():
    """What a killed process left is removed by the next one that starts."""
    need_tun()
    space = Space()
    p = Program(space, TAP["eal"], "end", "kill", "alone", DPVMA_PORTS=TAP["DPVMA_PORTS"])
    p.expect("ready")
    left = trace(p.p.pid)
    check(left, "nothing to leave behind")
    p.go()
    equal(p.p.wait(30), -signal.SIGKILL, "exit code")
    equal(trace(p.p.pid), left, "left behind")
    q = Program(space, TAP["eal"], "end", "exit", "alone", DPVMA_PORTS=TAP["DPVMA_PORTS"])
    q.expect("ready")
    equal(trace(p.p.pid), [], "after the next start")
    q.go()
    equal(q.p.wait(30), 0, "exit code")
    equal(trace(q.p.pid), [], "left by an exit")
    p.end()
    q.end()


if __name__ == "__main__":
    if sys.argv[1:2] == ["program"]:
        globals()["program_" + sys.argv[2]](*sys.argv[3:])
    else:
        main(before, children, closes, ends, exec_, daemons, stale)
