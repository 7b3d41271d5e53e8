#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
Files moved by nc, ssh, scp and rsync as Debian has them, preloaded over the software ConnectX, to and
from a peer on the kernel, and compared byte by byte.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab
from lab import HOST_IP, PEER_IP, check, equal, main, pattern
from proglab import Nic, need

PORT, SSH_PORT = 9200, 9222
SIZE = (6 << 20) + 123
nic = sshd = None


def path(name):
    return os.path.join(lab.scratch, name)


def read(name):
    with open(path(name), "rb") as f:
        return f.read()


def setup():
    global nic
    need("nc", "ssh", "scp", "ssh-keygen", "rsync")
    nic = Nic()
    with open(path("sent"), "wb") as f:
        f.write(pattern(SIZE, 3))


def listens(where, addr, proto="tcp"):
    """A socket of that address is there, as far as the kernel of that namespace knows."""
    want = "".join(f"{b:02X}" for b in reversed([int(x) for x in addr.split(".")])) + f":{PORT:04X}"
    lab.wait_for(lambda: want in where.run("cat", f"/proc/net/{proto}"), f"{addr} to listen", 60)


def nc(listener, where, addr, connector):
    """
    A file from whoever has it as its input. One way at a time: this nc ends when the peer has
    finished and it has nothing in its hands, whatever its input still holds.
    """
    for sender in ("listens", "connects"):
        before = nic.seen(), nic.moved()
        with open(path("sent"), "rb") as data:
            def one(role, program, words):
                way = ["-N", f"{words} {PORT}"] if sender == role else [
                    "-d", f"{words} {PORT} >{path('got')}"]
                return program("sh", "-c", f"exec nc {way[0]} {way[1]}",
                               stdin=data if sender == role else subprocess.DEVNULL)

            s = one("listens", listener, f"-l {addr}")
            listens(where, addr)
            one("connects", connector, addr).end()
            s.end()
        equal(read("got") == pattern(SIZE, 3), True, f"what came from who {sender}")
        # what comes to the peer is acknowledged by it
        nic.offloaded(before, 100)


def nc_listens():
    nc(nic.program, nic.host, HOST_IP, nic.kernel)


def nc_connects():
    nc(nic.kernel, nic.peer, PEER_IP, nic.program)


def nc_refused():
    """Nobody listens there: the program hears it from the peer."""
    c = nic.program("nc", "-v", "-w", 20, PEER_IP, PORT + 1)
    check("refused" in c.end(code=1), c.said())


def ssh_server():
    global sshd
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path(name)],
                       check=True)
    os.rename(path("user.pub"), path("authorized"))
    os.makedirs("/run/sshd", exist_ok=True)
    with open(path("sshd_config"), "w") as f:
        f.write(f"Port {SSH_PORT}\nListenAddress {PEER_IP}\nHostKey {path('host')}\n"
                f"AuthorizedKeysFile {path('authorized')}\nStrictModes no\nUsePAM no\n"
                f"PermitRootLogin yes\nPidFile none\nSubsystem sftp internal-sftp\n")
    sshd = nic.kernel("/usr/sbin/sshd", "-D", "-e", "-f", path("sshd_config"))
    sshd.says("Server listening")


def ssh_options(port="-p"):
    return (f"{port} {SSH_PORT} -i {path('user')} -o StrictHostKeyChecking=no "
            f"-o UserKnownHostsFile={path('known')} -o BatchMode=yes -F none")


def ssh():
    before = nic.seen(), nic.moved()
    nic.program("sh", "-c", f"exec ssh {ssh_options()} root@{PEER_IP} 'cat; echo end >&2' "
                            f"<{path('sent')} >{path('got')}").end()
    equal(read("got") == pattern(SIZE, 3), True, "what ssh brought back")
    nic.program("sh", "-c", f"exec scp {ssh_options('-P')} {path('sent')} "
                            f"root@{PEER_IP}:{path('copied')}").end()
    equal(read("copied") == pattern(SIZE, 3), True, "what scp wrote")
    nic.program("sh", "-c", f"exec scp {ssh_options('-P')} root@{PEER_IP}:{path('copied')} "
                            f"{path('fetched')}").end()
    equal(read("fetched") == pattern(SIZE, 3), True, "what scp read")
    nic.offloaded(before, 2000)


def rsync():
    """A tree, there and back; then what changed of it."""
    for i in range(40):
        os.makedirs(path(f"tree/{i % 5}"), exist_ok=True)
        with open(path(f"tree/{i % 5}/{i}"), "wb") as f:
            f.write(pattern(i * i * 331, i))
    shell = f"ssh {ssh_options()}"
    for round_ in range(2):
        nic.program("rsync", "-a", "--delete", "-e", shell, path("tree/"),
                    f"root@{PEER_IP}:{path('there/')}").end()
        nic.program("rsync", "-a", "--delete", "-e", shell, f"root@{PEER_IP}:{path('there/')}",
                    path("back-again/")).end()
        out = subprocess.run(["diff", "-r", path("tree"), path("back-again")], text=True,
                             capture_output=True, check=False).stdout
        equal(out, "", f"differences after round {round_}")
        os.unlink(path(f"tree/1/{1 + 5 * round_}"))
        with open(path("tree/2/37"), "ab") as f:
            f.write(b"more")


def last():
    sshd.stop(codes=(0, 255, -15))


main(setup, nc_listens, nc_connects, nc_refused, ssh_server, ssh, rsync, last)
