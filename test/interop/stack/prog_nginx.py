#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""
nginx in one process, preloaded over the software ConnectX, for curl and wrk on the kernel: files of
all sizes by sendfile() and without, kept connections, ranges; then curl and wrk preloaded, for an
nginx on the kernel. Files are compared byte by byte.
"""
import hashlib
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab
from lab import HOST_IP, PEER_IP, check, equal, main, pattern
from proglab import Nic, need

PORT, SECONDS = 8080, 2
SIZES = [0, 1, 1459, 1460, 1461, 16384, 65536, 100000, 1 << 20, (5 << 20) + 17]
nic = server = None


def setup():
    global nic
    need("nginx", "curl", "wrk")
    nic = Nic()
    os.chmod(lab.scratch, 0o755)
    root = os.path.join(lab.scratch, "root")
    os.mkdir(root)
    for size in SIZES:
        with open(os.path.join(root, str(size)), "wb") as f:
            f.write(pattern(size, size & 255))


def configured(addr):
    """A configuration in a directory of its own; the arguments that name it."""
    place = os.path.join(lab.scratch, addr)
    os.mkdir(place)
    temp = "".join(f"{name}_temp_path {place}/{name};\n" for name in
                   ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    path = os.path.join(place, "nginx.conf")
    with open(path, "w") as f:
        f.write(f"""
daemon off; master_process off; user root;
pid {place}/pid; error_log {place}/error.log info;
events {{ worker_connections 600; }}
http {{
    {temp}
    access_log off; default_type application/octet-stream; keepalive_requests 1000000;
    server {{
        listen {addr}:{PORT};
        location / {{ root {lab.scratch}/root; sendfile on; tcp_nopush on; }}
        location /read/ {{ alias {lab.scratch}/root/; sendfile off; }}
    }}
}}
""")
    return ["nginx", "-c", path, "-e", f"{place}/error.log"]


def wait_listening(p, addr):
    """Its start leaves a line in the log."""
    path = os.path.join(lab.scratch, addr, "pid")
    lab.wait_for(lambda: p.p.poll() is not None or os.path.exists(path), "nginx", 60)
    check(p.p.poll() is None, f"nginx ended with {p.p.poll()}")


def compare(fetch, where):
    """fetch(arguments of curl) in its namespace."""
    out = os.path.join(lab.scratch, "got")
    for path in ("", "read/"):
        for size in SIZES:
            if os.path.exists(out):
                os.unlink(out)
            fetch("-sS", "--fail", "-o", out, f"{where}/{path}{size}")
            with open(out, "rb") as f:
                got = f.read()
            equal(hashlib.sha1(got).hexdigest(),
                  hashlib.sha1(pattern(size, size & 255)).hexdigest(),
                  f"{path}{size}: {len(got)} bytes")
    # several on one connection, and a part of one
    fetch("-sS", "--fail", *(w for s in SIZES for w in ("-o", out, f"{where}/{s}")))
    fetch("-sS", "--fail", "-r", "1000-70000", "-o", out, f"{where}/{1 << 20}")
    with open(out, "rb") as f:
        equal(f.read(), pattern(1 << 20, 0)[1000:70001], "a range")


def benchmark(out, least):
    m = re.search(r"(\d+) requests in", out)
    check(m and int(m[1]) > least, out)
    check("Socket errors" not in out and "Non-2xx" not in out, out)


def serve():
    global server
    server = nic.program(*configured(HOST_IP))
    wait_listening(server, HOST_IP)
    before = nic.seen(), nic.moved()
    compare(lambda *a: nic.kernel("curl", "--connect-timeout", 30, *a).end(),
            f"http://{HOST_IP}:{PORT}")
    nic.offloaded(before, 2000)


def under_load():
    before = nic.seen(), nic.moved()
    for size in (1460, 65536):
        benchmark(nic.kernel("wrk", "-t", 1, "-c", 100, "-d", f"{SECONDS}s",
                             f"http://{HOST_IP}:{PORT}/{size}").end(), 200)
    nic.offloaded(before, 2000)


def stop():
    server.stop(codes=(0, ))


def clients():
    s = nic.kernel(*configured(PEER_IP))
    wait_listening(s, PEER_IP)
    before = nic.seen(), nic.moved()
    compare(lambda *a: nic.program("curl", "--connect-timeout", 30, *a).end(),
            f"http://{PEER_IP}:{PORT}")
    benchmark(nic.program("wrk", "-t", 1, "-c", 20, "-d", f"{SECONDS}s",
                          f"http://{PEER_IP}:{PORT}/1460").end(), 200)
    nic.offloaded(before, 2000)
    s.stop()


main(setup, serve, under_load, stop, clients)
