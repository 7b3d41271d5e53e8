#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
dpvma-run with its software NIC: programs that know nothing of dpvma at one end of the wire, or at
both, a kernel at the other; the order in which they start, their signals, their exit codes, and
that nothing stays.
"""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab
from lab import HOST_IP, PEER_IP, PROGRAMS, Failed, Space, check, equal, wait_for

PATIENCE = lab.PATIENCE
# most of them in one line
PROLOGUE = """
import ctypes, os, signal, socket, sys
sys.dont_write_bytecode = True
def explain(s):
    lib = ctypes.CDLL(os.path.join(os.path.dirname(os.environ["LD_PRELOAD"].split()[0]),
                                   "libdpvma.so.0"))
    why = ctypes.create_string_buffer(200)
    return bool(lib.dpvma_explain(s.fileno(), why, 200)), why.value.decode()
def say(*words):
    # one write: both ends have the same pipe
    os.write(1, (" ".join(str(w) for w in words) + "\\n").encode())
def take(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(65536)
        assert more, "the connection ended"
        data += more
    return data
BULK = bytes(i * 7 & 255 for i in range(300000))
"""
SERVER = """
l = socket.create_server((ADDR, 7000))
say("served by dpvma:", explain(l)[0])
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind((ADDR, 7001))
c, peer = l.accept()
say("from", peer[0])
c.sendall(take(c, len(BULK)))
assert c.recv(1) == b""
for _ in range(20):
    data, peer = u.recvfrom(65536)
    u.sendto(data[::-1], peer)
u.sendto(b"bye", peer)
"""
CLIENT = """
c = socket.create_connection((ADDR, 7000), timeout=20)
say("asked by dpvma:", "LD_PRELOAD" in os.environ and explain(c)[0])
c.sendall(BULK)
assert take(c, len(BULK)) == BULK
c.close()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(20)
u.connect((ADDR, 7001))
for i in range(20):
    u.send(bytes(range(i, 200)))
    assert u.recv(65536) == bytes(range(i, 200))[::-1]
assert u.recv(100) == b"bye"
say("answered")
"""


def script(name, code, addr=HOST_IP):
    path = os.path.join(lab.scratch, name + ".py")
    with open(path, "w") as f:
        f.write(PROLOGUE + f"ADDR = {addr!r}\n" + textwrap.dedent(code))
    return path


def python(path):
    return f"{sys.executable} {path}"


class Run:
    """dpvma-run in a namespace that stays empty."""

    def __init__(self, *words, space=None, small=True, **env):
        self.space = space or Space()
        plain = {k: v for k, v in os.environ.items()
                 if not k.startswith(("VMA_", "DPVMA_", "CONNECTX", "LD_PRELOAD"))}
        self.log = open(os.path.join(lab.scratch, f"run-{len(lab.processes)}.log"), "w+b")
        if small:
            plain = lab.small(**env)
            words = ("--memory=320", "--no-huge") + words
        self.p = self.space.start([PROGRAMS["run"], *words], env=plain, text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)

    def said(self):
        with open(self.log.name, errors="replace") as f:
            return f.read()

    def line(self):
        return self.p.stdout.readline().strip()

    def end(self, code=0, patience=60):
        try:
            out = self.p.communicate(timeout=patience)[0]
        except subprocess.TimeoutExpired:
            raise Failed(f"it does not end\n{self.said()}") from None
        equal(self.p.returncode, code, f"exit code\n{out}\n{self.said()}")
        return out.splitlines()


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(x) for x in f.read().split()]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def traces(pids):
    return [x for pid in pids for x in lab.trace(pid)]


def server():
    """As most will first see it, with no option more."""
    run = Run("--sim", f"--peer={python(script('client', CLIENT))}", "--", sys.executable,
              script("server", SERVER), small=False)
    lines = run.end()
    equal(sorted(lines), sorted(["served by dpvma: True", f"from {PEER_IP}",
                                 "asked by dpvma: False", "answered"]), f"output\n{run.said()}")
    equal(run.said(), "", "no line of the library's among the program's")
    equal([x for x in os.listdir("/run/netns")] if os.path.isdir("/run/netns") else [],
          NAMES, "namespaces with names")
    devices = run.space.run("ip", "-br", "link").splitlines()
    equal([x.split()[0] for x in devices], ["lo"], "devices of the caller's namespace")


def client():
    """The kernel's server is there first."""
    run = Run("--sim", f"--peer-server={python(script('server', SERVER.replace('explain(l)[0]', 'False'), PEER_IP))}",
              "--", sys.executable, script("client", CLIENT, PEER_IP))
    lines = run.end()
    equal(sorted(lines), sorted(["served by dpvma: False", f"from {HOST_IP}",
                                 "asked by dpvma: True", "answered"]), f"output\n{run.said()}")


def addresses():
    """Others than the default ones."""
    run = Run("--sim", "--addr=10.7.0.9/16", "--peer-addr=10.7.3.1/16",
              f"--peer={python(script('client', CLIENT, '10.7.0.9'))}", "--", sys.executable,
              script("server", SERVER, "10.7.0.9"))
    check("from 10.7.3.1" in run.end(), run.said())


def cable():
    """Two of them, and no kernel between."""
    name = f"run-{os.getpid()}"
    a = Run("--sim", f"--sim-wire=shm:{name}", "--", sys.executable, script("server", SERVER))
    equal(a.line(), "served by dpvma: True", a.said())
    b = Run("--sim", f"--sim-wire=shm:{name}", f"--addr={PEER_IP}/24", "--", sys.executable,
            script("client", CLIENT))
    equal(b.end(), ["asked by dpvma: True", "answered"], b.said())
    equal(a.end(), [f"from {PEER_IP}"], a.said())
    equal(glob.glob(f"/dev/shm/*{name}*"), [], "the cable is gone")


def memif():
    """A port without a kernel's device, whose address is told."""
    path = os.path.join(lab.scratch, "memif.sock")
    a = Run(f"--port=memif:server:{path}", f"--addr={HOST_IP}/24", sys.executable,
            script("server", SERVER))
    equal(a.line(), "served by dpvma: True", a.said())
    b = Run(f"--port=memif:client:{path}", f"--addr={PEER_IP}/24", sys.executable,
            script("client", CLIENT))
    equal(b.end(), ["asked by dpvma: True", "answered"], b.said())
    equal(a.end(), [f"from {PEER_IP}"], a.said())
    equal(a.said() + b.said(), "", "no line of EAL's among the programs'")


def netdev():
    """A network device that has no driver of its own in DPDK: its kernel has the address."""
    host, peer = Space(), Space()
    host.ip("link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", peer.path)
    for space, name, addr in ((host, "v0", HOST_IP), (peer, "v1", PEER_IP)):
        space.ip("addr", "add", f"{addr}/24", "dev", name)
        space.ip("link", "set", name, "up")
    peer.run("ethtool", "-K", "v1", "tso", "off", "gso", "off")
    a = Run("--port=v0", sys.executable, script("server", SERVER), space=host)
    equal(a.line(), "served by dpvma: True", a.said())
    out = peer.run(sys.executable, script("client", CLIENT))
    equal(out.splitlines(), ["asked by dpvma: False", "answered"], "the client")
    equal(a.end(), [f"from {PEER_IP}"], a.said())


WAITS = """
l = socket.create_server((ADDR, 7000))
say(os.getpid())
signal.pause()
"""


def codes():
    """The program's code; the peer's, when the program ends because of it; ours."""
    for peer, code in (("exit 0", 0), ("exit 3", 3)):
        run = Run("--sim", f"--peer={peer}", "--", sys.executable, script("waits", WAITS))
        lines = run.end(code)
        equal(traces(int(x) for x in lines), [], "left behind")
    leaves = script("leaves", """
        def leave(*_):
            sys.exit(9)
        signal.signal(signal.SIGTERM, leave)
        """ + WAITS.replace("\n", "\n        "))
    Run("--sim", "--peer=exit 3", "--", sys.executable, leaves).end(9)
    run = Run("--sim", "--peer=true", "--", "true")
    run.end(125)
    check("--peer was not started" in run.said(), run.said())
    run = Run("--sim", "--peer-server=exit 1", "--", "true")
    run.end(125)
    check("--peer-server ended before" in run.said(), run.said())
    # a daemon is waited for
    run = Run("--sim", "--", "sh", "-c", "(read x < $0; echo $x) & exit 5", fifo("daemon"))
    wait_for(lambda: opened("daemon"), "the daemon reads")
    check(run.p.poll() is None, f"the program that left a daemon is over\n{run.said()}")
    tell("daemon", "42")
    equal(run.end(5), ["42"], run.said())


def fifo(name):
    path = os.path.join(lab.scratch, name)
    os.mkfifo(path)
    return path


def opened(name):
    """Whether a reader is there; then it is held."""
    try:
        held[name] = os.open(os.path.join(lab.scratch, name), os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    return True


def tell(name, text):
    os.write(held[name], (text + "\n").encode())
    os.close(held.pop(name))


held = {}


def stays():
    """The program goes on after its peer."""
    path = fifo("peer")
    run = Run("--sim", "--stay", f"--peer=read x < {path}; exit 3", "--", sys.executable,
              script("waits", WAITS))
    pid = int(run.line())
    wait_for(lambda: opened("peer"), "the peer reads")
    tell("peer", "x")
    wait_for(lambda: children(run.p.pid) == [pid], "the peer has ended")
    check(alive(pid), "the program is gone")
    os.kill(pid, signal.SIGTERM)
    run.end(128 + signal.SIGTERM)
    equal(traces([pid]), [], "left behind")


def signals():
    """Handed on; and when it is killed itself, nothing goes on."""
    code = """
        def got(n, _):
            say("got", n)
        for n in (signal.SIGUSR1, signal.SIGHUP):
            signal.signal(n, got)
        """ + WAITS.replace("signal.pause()", "while True: signal.pause()").replace(
            "\n", "\n        ")
    run = Run("--sim", "--", sys.executable, script("signals", code))
    pid = int(run.line())
    for n in (signal.SIGUSR1, signal.SIGHUP):
        run.p.send_signal(n)
        equal(run.line(), f"got {int(n)}", run.said())
    run.p.terminate()
    run.end(128 + signal.SIGTERM)
    check(not alive(pid), "the program goes on")
    run = Run("--sim", f"--peer-server=exec {python(script('peer', WAITS, PEER_IP))}",
              "--", sys.executable, script("signals", code))
    pids = [int(run.line()), int(run.line())]
    run.p.kill()
    run.p.wait()
    wait_for(lambda: not any(alive(p) for p in pids), "program and peer end too")
    for p in pids:
        for path in lab.trace(p):
            shutil.rmtree(path, ignore_errors=True)


def explain():
    """Of each descriptor, at the end and while it runs."""
    run = Run("--sim", "--stay", "--explain", f"--peer={python(script('client', CLIENT))}", "--",
              sys.executable, script("server", SERVER))
    run.end()
    report = run.said()
    check(re.search("^process [0-9]+:$", report, re.M), report)
    check(re.search(f"offloaded.*{HOST_IP}.*7000", report), report)
    path = fifo("end")
    run = Run("--sim", "--", sys.executable, script("explained", f"""
        l = socket.create_server((ADDR, 7000))
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        u.bind(("127.0.0.1", 7001))
        say(os.getpid(), l.fileno(), u.fileno())
        open({path!r}).read()
        """))
    pid, tcp, udp = (int(x) for x in run.line().split())
    asked = subprocess.run([PROGRAMS["run"], "--explain", f"--pid={pid}", "--json"], timeout=60,
                           capture_output=True, text=True, check=False)
    equal(asked.returncode, 0, asked.stderr)
    told = {x["fd"]: x for x in (next(iter(json.loads(line).values()))
                                 for line in asked.stdout.splitlines())}
    equal(told[tcp]["carrier"], "offloaded", told)
    check("7000" in told[tcp]["local"], told)
    equal(told[udp]["carrier"], "kernel", told)
    check("127" in told[udp]["why"], told)
    text = subprocess.run([PROGRAMS["run"], "--explain", f"--pid={pid}"], timeout=60,
                          capture_output=True, text=True, check=True).stdout
    check(re.search(f"^fd: {tcp}$.*?^carrier: offloaded$", text, re.M | re.S), text)
    wait_for(lambda: opened("end"), "the program waits")
    os.close(held.pop("end"))
    run.end()
    equal(traces([pid]), [], "left behind")


def tree():
    """The build directory as far as it is needed, where everybody may read it."""
    os.chmod(lab.scratch, 0o711)
    top = os.path.join(lab.scratch, "tree")
    lib = os.path.dirname(PROGRAMS["preload"])
    for source, place in ((PROGRAMS["run"], "app/run"), (PROGRAMS["preload"], "lib"),
                          (os.path.join(lib, "libdpvma.so.0"), "lib"),
                          (PROGRAMS["connectx"], "drivers/sim/connectx")):
        os.makedirs(os.path.join(top, place), exist_ok=True)
        shutil.copy(source, os.path.join(top, place))
    return os.path.join(top, "app/run/dpvma-run")


def nobody():
    """Without root's rights it is in namespaces of its own users, and is who it was."""
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run([*become, "unshare", "-Un", "true"], stderr=subprocess.DEVNULL).returncode:
        print("skipped: users may make no namespaces here")
        return
    program = tree()
    interpreter = shutil.which("python3", path="/usr/bin:/bin")
    place = os.path.join(lab.scratch, "place")
    os.mkdir(place)
    os.chown(place, 65534, 65534)
    scripts = [script(n, c) for n, c in (("client", CLIENT), (
        "server", SERVER + "say(os.getuid(), os.getpid())"))]
    for path in scripts:
        os.chmod(path, 0o644)
    process = Space().start(
        [*become, program, "--memory=320", "--no-huge", "--sim",
         f"--peer={interpreter} {scripts[0]}", interpreter, scripts[1]],
        env=lab.small(XDG_RUNTIME_DIR=place, HOME=place), text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = process.communicate(timeout=60)[0].splitlines()
    who = [x.split() for x in lines if x.startswith("65534 ")]
    equal(len(who), 1, lines)
    equal(sorted(x for x in lines if x != " ".join(who[0])),
          sorted(["served by dpvma: True", f"from {PEER_IP}", "asked by dpvma: False",
                  "answered"]), "output")
    equal(process.returncode, 0, lines)
    equal(traces([int(who[0][1])]) + glob.glob(f"{place}/dpdk/*"), [], "left behind")


lab.need_tun()
NAMES = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
lab.main(server, client, addresses, cable, memif, netdev, codes, stays, signals,
         nobody, explain)
