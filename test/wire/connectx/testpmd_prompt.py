# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd at the end of a pseudo terminal, and the peer behind its wire."""
import atexit
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time

PRELOADED = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'preload.sh')
# Another thread of testpmd's prints its events anywhere, in the midst of an echo or of the prompt, and
# the line feed before one by itself: it may stand between other letters than the event does.
PROMPT = r'\n?'.join('testpmd> ')
EVENT = re.compile(r'\n?Port \d+: [a-z ]+ event\n')
PATIENCE = float(os.environ.get('PATIENCE', 60))  # s, for what is sure to come
ESCAPES = re.compile(r'\x1b\[[0-9;]*[A-Za-z]')


class Failure(Exception):
    """Said by a scenario; main() shows it with the transcript."""


def until(what, condition):
    """Polls condition() until it returns something true, and returns that."""
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f'{what}: not within {PATIENCE:.0f} s')
        time.sleep(0.02)


def expect(condition, what):
    if not condition:
        raise Failure(what)


def sh(command):
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout


def memory():
    if os.environ.get('HUGE') == '1':
        return ['--in-memory', '-m', '300']
    return ['--no-huge', '--no-shconf', '-m', '300']


class Testpmd:
    """One process. Commands return what they printed."""

    def __init__(self, library, wire, devargs='', args='', env=None, nics=1, cores='0,1'):
        addresses = [f'0000:{3 + i:02x}:00.0' for i in range(nics)]
        allow = []
        for address in addresses:
            allow += ['-a', address + (',' + devargs if devargs else '')]
        command = ['dpdk-testpmd', '-l', cores, '--no-telemetry', *memory(), *allow, '--', '-i',
                   '--total-num-mbufs=16384', '--rxd=1024', '--no-flush-rx', *args.split()]
        variables = dict(os.environ, TERM='dumb', CONNECTX_VERBOSE='1', **(env or {}))
        if wire is not None:
            variables['CONNECTX_WIRE'] = wire
        print('$', *command, flush=True)
        self.text = ''
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(PRELOADED, [PRELOADED, library, *command], variables)
        atexit.register(self.kill)
        self.wait_for(PROMPT, 0)

    def read(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # EIO: the other end is closed
            data = b''
        if not data:
            raise Failure('testpmd ended')
        data = ESCAPES.sub('', data.decode(errors='replace')).replace('\r', '')
        sys.stdout.write(data)
        self.text += data

    def wait_for(self, pattern, start):
        """The match of a pattern in what was printed from position start on."""
        end = time.monotonic() + PATIENCE
        while True:
            found = re.search(pattern, EVENT.sub('', self.text[start:]))
            if found:
                return found
            if time.monotonic() > end:
                raise Failure(f'"{pattern}" did not appear in {PATIENCE:.0f} s')
            self.read(0.1)

    def command(self, line):
        start = len(self.text)
        os.write(self.fd, line.encode() + b'\n')
        # what the terminal echoes, what the command prints, the next prompt
        self.wait_for(PROMPT, start)
        return EVENT.sub('', self.text[start:])

    def commands(self, *lines):
        return [self.command(line) for line in lines]

    def stats(self, port=0):
        text = self.command(f'show port stats {port}')
        return {k: int(v) for k, v in re.findall(r'([RT]X-[a-z]+): +(\d+)', text)}

    def xstats(self, port=0):
        text = self.command(f'show port xstats {port}')
        return {k: int(v) for k, v in re.findall(r'^(\w+): (\d+)$', text, re.M)}

    def restart(self, *lines):
        """Commands that want a stopped port."""
        return ''.join(self.commands('stop', 'port stop 0', *lines, 'port start 0', 'start'))

    def quit(self):
        """The end of the process must be a good one."""
        os.write(self.fd, b'quit\n')
        end = time.monotonic() + PATIENCE
        try:
            while time.monotonic() < end:
                self.read(0.1)
        except Failure:
            pass
        pid, self.pid = self.pid, 0
        if time.monotonic() >= end:
            os.kill(pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(self.fd)
        expect(status == 0, f'testpmd ended with {status}')
        expect(not [d for d in os.listdir('/tmp') if d.startswith(f'connectx-{pid}-')],
               'the device tree was left behind')

    def kill(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0


# ---- frames ----
def checksum(data):
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


SRC, DST = bytes([10, 99, 0, 1]), bytes([10, 99, 0, 2])
MACS = bytes.fromhex('021122334455' '02aabbccddee')
UDP, TCP = 17, 6
TCP_ACK, TCP_PSH = 0x10, 0x08


def pseudo(ip, proto, l4):
    return ip[12:20] + struct.pack('!HH', proto, len(l4))


def frame(proto=UDP, sport=1000, dport=5000, payload=b'x' * 32, vlan=None, seq=0, flags=TCP_ACK,
          bad=False, src=SRC, dst=DST):
    """bad: checksums that are wrong."""
    if proto == UDP:
        l4 = struct.pack('!HHHH', sport, dport, 8 + len(payload), 0) + payload
        at = 6
    else:
        l4 = struct.pack('!HHIIBBHHH', sport, dport, seq, 1, 5 << 4, flags, 8192, 0, 0) + payload
        at = 16
    ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(l4), 1, 0, 64, proto, 0, src, dst)
    l4_sum, ip_sum = checksum(pseudo(ip, proto, l4) + l4), checksum(ip)
    if bad:
        l4_sum, ip_sum = l4_sum ^ 0x5555, ip_sum ^ 0x5555
    l4 = l4[:at] + struct.pack('!H', l4_sum) + l4[at + 2:]
    ip = ip[:10] + struct.pack('!H', ip_sum) + ip[12:]
    tag = struct.pack('!HH', 0x8100, vlan) if vlan is not None else b''
    return MACS + tag + b'\x08\x00' + ip + l4


class Frame:
    """One that was received: the kernel takes a VLAN tag out of it."""

    def __init__(self, data, vlan):
        self.data, self.vlan = data, vlan
        self.ip = data[14:34]
        self.proto = data[23]
        self.l4 = data[34:14 + struct.unpack('!H', data[16:18])[0]]
        self.header = 8 if self.proto == UDP else (self.l4[12] >> 4) * 4
        self.sport, self.dport = struct.unpack('!HH', self.l4[:4])
        self.payload = self.l4[self.header:]

    def check_sums(self):
        expect(checksum(self.ip) == 0, 'IP checksum')
        expect(checksum(pseudo(self.ip, self.proto, self.l4) + self.l4) == 0, 'L4 checksum')


class Peer:
    """A packet socket on the kernel's side of a TAP."""
    ETH_P_ALL, SOL_PACKET, AUXDATA, IGNORE_OUTGOING, TCI_VALID = 3, 263, 8, 23, 0x10

    def __init__(self, interface):
        self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.s.setsockopt(self.SOL_PACKET, self.IGNORE_OUTGOING, 1)
        self.s.setsockopt(self.SOL_PACKET, self.AUXDATA, 1)
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.s.bind((interface, self.ETH_P_ALL))

    def send(self, *frames):
        for f in frames:
            self.s.send(f)

    def receive(self, timeout=None):
        """The next one of UDP or TCP over IPv4 with an address of ours, or None."""
        end = time.monotonic() + (PATIENCE if timeout is None else timeout)
        while True:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.s], [], [], left)[0]:
                if timeout is None:
                    raise Failure('no frame came')
                return None
            data, control, _, _ = self.s.recvmsg(65536, 256)
            vlan = None
            for level, kind, value in control:
                if level == self.SOL_PACKET and kind == self.AUXDATA:
                    status, _, _, _, _, tci = struct.unpack('IIIHHH2x', value[:20])[:6]
                    vlan = tci if status & self.TCI_VALID else None
            if data[12:14] == b'\x08\x00' and data[23] in (UDP, TCP) and data[26:28] == b'\x0a\x63':
                return Frame(data, vlan)
