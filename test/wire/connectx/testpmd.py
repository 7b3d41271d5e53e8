#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
testpmd.py LIBRARY SCENARIO: Debian's own dpdk-testpmd on the software ConnectX, driven at its
prompt. Runs in a network namespace of its own. Exit 77: what it needs is not there.
"""
import os
import re
import shutil
import subprocess
import sys

from testpmd_prompt import (Failure, PRELOADED, Peer, TCP, TCP_ACK, TCP_PSH, Testpmd, UDP, expect,
                            frame, sh, until)

MPRQ = 'mprq_en=1,rxqs_min_mprq=1,mprq_log_stride_num=6,mprq_log_stride_size=11'
GEN = 'gen:src=10.99.0.1,dst=10.99.0.2,port=5000'
TAP = 'tap:w0'
LIBRARY = ''


def testpmd(wire, devargs=MPRQ, **more):
    return Testpmd(LIBRARY, wire, devargs, **more)


# ---- receiving ----
def receive_all(t, n, port=0):
    t.command('start')
    until(f'{n} packets', lambda: t.stats(port)['RX-packets'] >= n)
    text = t.command('stop')
    got = re.search(rf'statistics for port {port} (?s:.*?)RX-packets: (\d+) ', text)
    expect(got and int(got[1]) == n, f'{n} packets were sent, testpmd got {got and got[1]}')
    stats = t.stats(port)
    expect(stats['RX-missed'] == 0 and stats['RX-errors'] == 0, f'{stats}')


def rxonly(devargs, env=None, args=''):
    t = testpmd(GEN + ',count=100000,flows=16', devargs, env=env,
                args='--forward-mode=rxonly ' + args)
    receive_all(t, 100000)
    return t


def rxonly_mprq():
    rxonly(MPRQ).quit()


def rxonly_sprq():
    rxonly('mprq_en=0').quit()


def verbs():
    rxonly('mprq_en=0,dv_flow_en=0', {'CONNECTX_DEVX': '0'}).quit()


def cqe_compression():
    t = rxonly(MPRQ, {'CONNECTX_CQE_COMP': '1'})
    t.quit()
    found = re.search(r'(\d+) comp_cqes', t.text)
    expect(found and int(found[1]) > 1000, 'nothing was compressed')


def spread(text, queues):
    """Packets of each queue, of what testpmd says when it stops: idle queues are not told."""
    got = dict(re.findall(r'RX Port= 0/Queue= *(\d+) .*\n +RX-packets: (\d+)', text))
    return [int(got.get(str(q), 0)) for q in range(queues)]


def rss():
    t = testpmd(GEN + ',flows=256,rate=20000', args='--rxq=4 --txq=4 --rss-udp '
                '--forward-mode=rxonly')

    def run(*lines):
        if lines:
            t.commands('port stop 0', *lines, 'port start 0', 'set promisc 0 on')
        # a first round for what came while the rules were being made
        for _ in range(2):
            t.commands('clear port stats 0', 'start')
            until('packets', lambda: t.stats()['RX-packets'] >= 2000)
            text = t.command('stop')
        return spread(text, 4)

    got = run()
    expect(min(got) > 100, f'UDP ports over four queues: {got}')
    text = t.command('show port 0 rss-hash key')
    expect('udp' in text and 'RSS key' in text, 'the hash configuration')
    # addresses alone, which are always the same
    got = run('port config all rss ip')
    expect(sorted(got)[:3] == [0, 0, 0] and max(got) >= 2000, f'addresses alone: {got}')
    got = run('port config all rss udp')
    expect(min(got) > 100, f'UDP ports again: {got}')
    # another key, another spread of the same flows; the same key, the same one
    key = 'port config 0 rss-hash-key ipv4-udp ' + '6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b4' \
        '77cb2da38030f20c6a42b73bbeac01fa'
    t.command(key)
    expect('6D5A56DA' in t.command('show port 0 rss-hash key').upper(), 'key')
    size = int(re.search(r'Redirection table size: (\d+)', t.command('show port info 0'))[1])
    t.commands(*('port config 0 rss reta ' + ','.join(f'({i},2)' for i in range(k, min(k + 32, size)))
                 for k in range(0, size, 32)))
    got = run()
    expect(got[0] == got[1] == got[3] == 0 and got[2] >= 2000, f'a table of queue 2 alone: {got}')
    t.quit()


# ---- forwarding ----
def io():
    for queues in (1, 4):
        t = testpmd('loop', args=f'--rxq={queues} --txq={queues} --rss-udp --forward-mode=io')
        t.command('start tx_first 4')
        until('200000 packets round the loop', lambda: t.stats()['RX-packets'] > 200000)
        t.command('stop')
        s = t.stats()
        expect(s['RX-errors'] == s['TX-errors'] == 0, f'{s}')
        expect(s['RX-missed'] + s['TX-packets'] - s['RX-packets'] <= 4 * 32 * queues, f'{s}')
        t.quit()


def nics():
    """The datagrams of the first NIC leave through the second one; the third is on its own."""
    wires = 'wire=' + GEN + ',rate=20000,count=2000; wire=tap:w1; wire=loop netdev=third'
    t = testpmd(None, env={'CONNECTX_NICS': wires}, nics=3,
                args='--forward-mode=io --port-topology=paired')
    peer = Peer('w1')
    expect(all('Driver name: mlx5_pci' in t.command(f'show port info {i}') for i in range(3)),
           'three ports')
    sh('ip link show third')
    # a frame that finds no room in the send queue waits
    t.commands('set portlist 0,1', 'set fwd io retry', 'set burst tx delay 100 retry 100000', 'start')
    for i in range(2000):
        number = int.from_bytes(peer.receive().payload[:8], 'big')
        expect(number == i, f'datagram {number} instead of {i}')
    t.commands('stop', 'set portlist 2', 'start tx_first')
    until('packets round the loop', lambda: t.stats(2)['RX-packets'] > 10000)
    t.command('stop')
    expect(t.stats(0)['RX-packets'] == 2000, 'the others were left alone')
    t.quit()


def echo(t, peer, out, what):
    """Sends a frame that testpmd forwards, and returns what comes back."""
    peer.send(out)
    f = peer.receive()
    expect(f.dport == 5000, what)
    return f


def csum():
    t = testpmd(TAP, 'mprq_en=0', args='--forward-mode=csum')
    peer = Peer('w0')
    text = t.restart('csum set ip hw 0', 'csum set udp hw 0', 'csum set tcp hw 0')
    expect('UDP checksum offload is hw' in text, 'checksums in hardware')
    for size in (0, 1, 18, 300, 1400):
        for proto in (UDP, TCP):
            payload = (bytes(range(256)) * 6)[:size]
            f = echo(t, peer, frame(proto, payload=payload, bad=True), 'csum')
            f.check_sums()
            expect(f.payload == payload, f'{size} bytes of payload')
    t.quit()


def tso():
    t = testpmd(TAP, 'mprq_en=0', args='--forward-mode=csum')
    peer = Peer('w0')
    t.restart('csum set ip hw 0', 'csum set tcp hw 0', 'tso set 500 0')
    payload = bytes(i % 251 for i in range(1400))
    peer.send(frame(TCP, payload=payload, seq=7000, flags=TCP_ACK | TCP_PSH))
    got = b''
    for size in (500, 500, 400):
        f = peer.receive()
        f.check_sums()
        seq = int.from_bytes(f.l4[4:8], 'big')
        expect(len(f.payload) == size, f'a segment of {len(f.payload)} bytes, not {size}')
        expect(seq == 7000 + len(got), f'sequence {seq}')
        got += f.payload
        expect(bool(f.l4[13] & TCP_PSH) == (len(got) == 1400), 'PSH on the last one only')
    expect(got == payload, 'payload')
    t.quit()


def vlan():
    # the PMD inserts a tag with inline data only
    t = testpmd(TAP, 'mprq_en=0,txqs_min_inline=1', args='--forward-mode=mac')
    peer = Peer('w0')
    t.command('start')
    f = echo(t, peer, frame(vlan=7), 'as it is')
    expect(f.vlan == 7, f'tag {f.vlan}, not 7')
    t.restart('tx_vlan set 0 291')
    f = echo(t, peer, frame(), 'inserted')
    expect(f.vlan == 291, f'tag {f.vlan}, not 291')
    t.command('vlan set strip on 0')
    expect('strip on' in t.command('show port info 0'), 'strip is on')
    f = echo(t, peer, frame(vlan=7), 'replaced')
    expect(f.vlan == 291 and len(f.data) == len(frame()), f'tag {f.vlan}, {len(f.data)} bytes')
    t.restart('tx_vlan reset 0')
    f = echo(t, peer, frame(vlan=7), 'stripped')
    expect(f.vlan is None and len(f.data) == len(frame()), f'tag {f.vlan}')
    t.command('vlan set strip off 0')
    f = echo(t, peer, frame(vlan=7), 'as it is, again')
    expect(f.vlan == 7, f'tag {f.vlan}, not 7')
    t.quit()


def mtu():
    t = testpmd(TAP, 'mprq_en=0', args='--forward-mode=io --enable-scatter '
                '--tx-offloads=0x8000', env={'CONNECTX_MTU': '1500'})
    peer = Peer('w0')
    sh('ip link set w0 mtu 9000')
    payload = bytes(i % 249 for i in range(8900))
    t.command('start')
    peer.send(frame(payload=payload))
    expect(len(echo(t, peer, frame(), 'short').payload) == 32, 'the long one came through')
    # queues are laid out for the MTU when they are set up
    t.restart('port config mtu 0 9000', 'port config all rxq 1')
    expect('mtu 9000' in sh('ip link show cx0'), 'MTU of the interface')
    expect(echo(t, peer, frame(payload=payload), 'long').payload == payload, 'long frame')
    t.quit()
    expect('rx_too_long' in t.text, 'the long frame was counted')


# ---- rules ----
def seen(t, peer, out, queue=None, mark=None):
    """Sends a frame and waits until testpmd shows it."""
    start = len(t.text)
    peer.send(out)
    found = t.wait_for(r'port 0/queue (\d+): received \d+ packets\n(.*)', start)
    if queue is not None:
        expect(int(found[1]) in queue, f'queue {found[1]}, not one of {queue}')
    if mark is not None:
        t.wait_for(rf'FDIR matched.*{mark:#x}', start)
    return found


def create(t, rule):
    text = t.command('flow create 0 ' + rule)
    found = re.search(r'Flow rule #(\d+) created', text)
    expect(found, 'no rule: ' + text)
    return int(found[1])


def udp(port, more=''):
    return f'eth / ipv4 / udp dst is {port} / {more}end'


def flow():
    t = testpmd(TAP, args='--rxq=4 --txq=4 --rss-udp --forward-mode=rxonly --flow-isolate-all')
    peer, kernel = Peer('w0'), Peer('cx0')
    t.commands('set verbose 1', 'start')
    create(t, f'ingress pattern {udp(5001)} actions queue index 2 / end')
    seen(t, peer, frame(dport=5001), queue=[2])
    create(t, f'ingress pattern {udp(5002)} actions mark id 0x77 / queue index 1 / end')
    seen(t, peer, frame(dport=5002), queue=[1], mark=0x77)
    create(t, f'ingress pattern {udp(5003)} actions rss queues 0 3 end types ipv4-udp end / end')
    queues = {seen(t, peer, frame(dport=5003, sport=s), queue=[0, 3])[1] for s in range(1, 30)}
    expect(queues == {'0', '3'}, f'RSS used {queues}')
    # another group, in which the priority decides
    counted = create(t, 'ingress group 1 priority 0 ' +
                     f'pattern {udp(5004)} actions count / queue index 3 / end')
    create(t, 'ingress group 1 priority 1 pattern eth / ipv4 / udp / end '
           'actions queue index 0 / end')
    create(t, f'ingress pattern {udp(5004)} actions jump group 1 / end')
    create(t, f'ingress pattern {udp(5005)} actions jump group 1 / end')
    for _ in range(5):
        seen(t, peer, frame(dport=5004), queue=[3])
    seen(t, peer, frame(dport=5005), queue=[0])
    until('five counted hits', lambda: 'hits: 5\n' in t.command(f'flow query 0 {counted} count'))
    text = t.command(f'flow query 0 {counted} count')
    expect(f'bytes: {5 * len(frame())}\n' in text, 'bytes counted')
    # dropped: neither here nor the kernel's; what comes behind it is, as no rule takes it
    dropped = create(t, f'ingress pattern {udp(5006)} actions drop / end')
    peer.send(frame(dport=5006), frame(dport=5007))
    expect(kernel.receive().dport == 5007, 'the kernel got what was to be dropped')
    t.command(f'flow destroy 0 rule {dropped}')
    peer.send(frame(dport=5006))
    expect(kernel.receive().dport == 5006, 'the rule is gone')
    expect(t.command('flow list 0').count('=>') >= 7, 'rules listed')
    # not modelled: an error at once, and no rule
    for rule in (f'ingress pattern {udp(4789, "vxlan vni is 5 / ")} actions queue index 0 / end',
                 f'ingress group 1 pattern {udp(5008)} actions set_ipv4_dst ipv4_addr 1.2.3.4 / '
                 'queue index 0 / end',
                 f'ingress group 1 pattern {udp(5008)} actions set_tag data 1 index 0 / '
                 'queue index 0 / end',
                 f'egress pattern {udp(5008)} actions drop / end'):
        text = t.command('flow create 0 ' + rule)
        expect('Caught PMD error' in text and 'created' not in text, 'taken: ' + rule)
    t.command('flow flush 0')
    peer.send(frame(dport=5001))
    expect(kernel.receive().dport == 5001, 'all rules are gone')
    # the rest of the life of isolated mode: off, and the port's own rules are there
    t.commands('stop', 'port stop 0')
    expect('Ingress traffic on port 0 is not restricted' in t.command('flow isolate 0 false'),
           'isolated mode off')
    t.commands('port start 0', 'set promisc 0 on', 'start')
    seen(t, peer, frame(dport=5001))
    t.quit()


# ---- life of a port ----
def life():
    """Stopped, reset, closed and taken out: traffic comes back each time."""
    # the PMD stops single queues in this mode only
    t = testpmd(TAP, 'mprq_en=0,rx_vec_en=0', args='--forward-mode=io')
    peer = Peer('w0')

    numbers = iter(range(1, 65536))  # no two frames alike: an old one may not come again

    def works(what):
        for _ in range(40):
            n = next(numbers)
            got = echo(t, peer, frame(sport=n), what).sport
            expect(got == n, f'{what}: frame {got} instead of {n}')

    t.command('start')
    works('first start')
    for _ in range(3):
        t.restart()
        works('port restarted')
        t.commands('stop', 'port 0 rxq 0 stop', 'port 0 txq 0 stop', 'port 0 txq 0 start',
                   'port 0 rxq 0 start', 'start')
        works('queues restarted')
    for again in range(2):
        text = t.commands('stop', 'port stop 0', 'port close 0')[-1] if again else \
            t.commands('stop', 'port stop 0')[-1]
        text = t.command('port detach 0') if not again else t.command('device detach 0000:03:00.0')
        expect('detached' in text, 'not detached: ' + text)
        expect('port 0 is attached' in t.command('port attach 0000:03:00.0,mprq_en=0,rx_vec_en=0')
               .lower(), 'not attached')
        t.commands('port config all rxq 1', 'port start 0', 'set promisc 0 on', 'start')
        works('attached')
    t.quit()
    expect('bad_doorbell' not in t.text, 'doorbells out of order')


def link():
    t = testpmd(TAP, args='--forward-mode=io')
    peer = Peer('w0')

    def status(want):
        until(f'link {want}',
              lambda: f'Link status: {want}' in t.command('show port info 0'))

    t.command('start')
    status('up')
    echo(t, peer, frame(), 'link up')
    t.command('set link-down port 0')
    expect('UP' not in sh('ip -o link show cx0').split('<')[1].split('>')[0].split(','),
           'the interface is down')
    status('down')
    t.command('set link-up port 0')
    status('up')
    echo(t, peer, frame(), 'link up again')
    sh('ip link set cx0 down')
    status('down')
    sh('ip link set cx0 up')
    status('up')
    echo(t, peer, frame(), 'interface up again')
    t.quit()


def overload():
    """Nobody polls: what is missed is counted."""
    t = testpmd(GEN + ',lossless=0,count=50000,size=100',
                args='--forward-mode=rxonly --flow-isolate-all')
    # all of them meet the rule: those of a port change while promiscuous mode is turned on
    create(t, f'ingress pattern {udp(5000)} actions queue index 0 / end')
    until('frames that nobody took', lambda: t.stats()['RX-missed'] > 20000)
    t.command('start')
    until('all frames', lambda: (lambda s: s['RX-packets'] + s['RX-missed'] == 50000)(t.stats()))
    t.command('stop')
    s = t.stats()
    expect(s['RX-packets'] > 0 and s['RX-bytes'] == s['RX-packets'] * 142, f'{s}')
    t.command('clear port stats 0')
    s = t.stats()
    expect(s['RX-packets'] == s['RX-missed'] == 0, f'not cleared: {s}')
    t.quit()


def xstats():
    t = testpmd(GEN + ',count=50000,size=100', args='--forward-mode=rxonly')
    receive_all(t, 50000)
    x = t.xstats()
    expect(x['rx_good_packets'] == x['rx_q0_packets'] == 50000, f'{x}')
    expect(x['rx_good_bytes'] == 50000 * 142 and x['rx_q0_errors'] == 0, f'{x}')
    # what the kernel driver of the port counts
    expect(x['rx_phy_packets'] == 50000 and x['rx_phy_bytes'] == 50000 * 142, f'{x}')
    t.commands('clear port xstats 0', 'clear port stats 0')
    x = t.xstats()
    expect(x['rx_good_packets'] == x['rx_phy_packets'] == 0, f'not cleared: {x}')
    t.quit()


def lro():
    t = testpmd(TAP, 'mprq_en=1,rxqs_min_mprq=1,lro_timeout_usec=1024',
                args='--forward-mode=rxonly --enable-lro --enable-scatter '
                '--max-lro-pkt-size=16384')
    peer = Peer('w0')
    t.commands('set verbose 1', 'start')
    segments = [frame(TCP, payload=bytes([i]) * 1000, seq=i * 1000,
                      flags=TCP_ACK | (TCP_PSH if i == 19 else 0)) for i in range(20)]

    def merged():
        start = len(t.text)
        peer.send(*segments)
        sizes = []
        while sum(n - 54 for n in sizes) < 20000:
            t.wait_for(r'length=\d+', start)
            sizes = [int(n) for n in re.findall(r'type=0x0800 - length=(\d+)', t.text[start:])]
            t.read(0.01)
        return sum(n - 54 for n in sizes) == 20000 and len(sizes) < 20

    until('segments merged', merged)
    t.quit()


SCENARIOS = {f.__name__.replace('_', '-'): f for f in (
    rxonly_mprq, rxonly_sprq, verbs, cqe_compression, rss, io, nics, csum, tso, vlan, mtu, flow,
    life, link, overload, xstats, lro)}


def main():
    global LIBRARY
    if len(sys.argv) != 3 or sys.argv[2] not in SCENARIOS:
        print(*SCENARIOS, sep='\n')
        return 2
    LIBRARY, name = sys.argv[1:]
    if os.environ.get('CXTEST_NAMESPACE') is None:
        space = ['unshare', '-n'] if os.getuid() == 0 else ['unshare', '-Urn']
        if subprocess.run(space + ['true'], stderr=subprocess.DEVNULL).returncode != 0:
            print('no network namespace:', *space, 'does not work here')
            return 77
        for need in ('dpdk-testpmd', 'ip'):
            if shutil.which(need) is None:
                print(f'no {need} here')
                return 77
        if not os.path.exists('/dev/net/tun'):
            print('no /dev/net/tun')
            return 77
        if subprocess.run([PRELOADED, LIBRARY, 'true']).returncode != 0:
            return 77
        os.environ['CXTEST_NAMESPACE'] = '1'
        os.execvp(space[0], space + [sys.executable] + sys.argv)
    try:
        SCENARIOS[name]()
    except Failure as e:
        print(f'\n{name}: {e}')
        return 1
    print(f'ok {name}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
