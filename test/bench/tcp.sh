#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# test/bench/tcp.sh [SECONDS [SIZE [IDLE]]]: TCP next to bare mbufs on the same wire and to the kernel
# between two namespaces, by the same loops of dpvma-testpmd, in turns on one machine: a stream over 1 and 64
# connections in writes of SIZE bytes, questions of 64 bytes over 1 to 10,000, connections per second,
# and IDLE open connections. Each end has a processor of its own. A cost is the sum of both ends.
# Prints a table for doc/performance.md. Nothing else may run meanwhile.
# shellcheck source=../../app/setup.sh
seconds=${1:-5} size=${2:-65536} idle=${3:-100000}
set --
. "$(dirname "$0")/../../app/setup.sh"
# shellcheck source=common.sh
. "$top/test/bench/common.sh"
far=dpvma-bench-far-$$
ip netns add "$far"; at_exit ip netns del "$far"
ip link add "veth$$" netns "$ns" type veth peer name "veth$$" netns "$far"
ip -n "$ns" addr add 10.97.0.2/24 dev "veth$$"; ip -n "$ns" link set "veth$$" up
ip -n "$far" addr add 10.97.0.1/24 dev "veth$$"; ip -n "$far" link set "veth$$" up
export VMA_RX_BUFS=32768 VMA_RX_WRE=4096 VMA_TX_BUFS=65536
megabytes=${MEGABYTES:-1400}
take_huge_pages $((megabytes + 64)) # of 2 MB, for two processes
if ! ulimit -n 262144 2>/dev/null; then
	most=$(($(ulimit -n) - 1000))
	[ "$idle" -le "$most" ] || idle=$most
	say "no more than $(ulimit -n) descriptors here: $idle open connections"
fi

end() { # NAME passive|active WIRE OPTIONS...
	local name=$1 role=$2 wire=$3 file=$tmp/$1.$2 cpu=1 addr=2 side=server; shift 3
	[ "$role" = passive ] || { cpu=0 addr=1 side=client; }
	local -a out=(--json="$file.json" --quiet "$@")
	if [ "$wire" = kernel ]; then
		[ "$role" = passive ] && in=$ns || in=$far
		exec ip netns exec "$in" taskset -c $cpu "$testpmd" -- --kernel "${out[@]}"
	fi
	# shellcheck disable=SC2046
	DPVMA_PORTS="net_memif0=10.98.0.$addr/24" VMA_INTERNAL_THREAD_AFFINITY=$cpu exec "$testpmd" -l $cpu \
		--no-pci --no-telemetry --file-prefix="dpvma-bench-$$-$role" $(eal_memory "$megabytes") \
		--vdev="net_memif0,id=0,socket=$tmp/memif.sock,socket-abstract=no,rsize=12,role=$side,mac=02:98:00:00:00:0$addr" \
		-- "${out[@]}"
}

pair() { # NAME WIRE PASSIVE-OPTIONS ACTIVE-OPTIONS OPTIONS...
	local name=$1 wire=$2 peer=10.98.0.2 waits; shift 2
	local -a passive active
	read -ra passive <<<"$1"; read -ra active <<<"$2"; shift 2
	[ "$wire" = memif ] || peer=10.97.0.2
	say "$name"
	end "$name" passive "$wire" --duration=$((seconds + 120)) --linger=60 "$@" "${passive[@]}" >"$tmp/$name.passive" 2>&1 &
	waits=$!
	at_exit stop_pid $waits
	for _ in $(seq 300); do
		grep -q READY "$tmp/$name.passive" && break
		kill -0 $waits 2>/dev/null || break
		read -rt 0.1 <> <(:) || :
	done
	(end "$name" active "$wire" --peer=$peer --duration="$seconds" "$@" "${active[@]}") >"$tmp/$name.active" 2>&1 ||
		{ cat "$tmp/$name.passive" "$tmp/$name.active" >&2; die "$name failed"; }
	wait $waits || { cat "$tmp/$name.passive" >&2; die "$name failed"; }
}

# the side that counts what comes knows no end but silence, and must not poll a memif that goes
pair bare-frames memif "--modes=rxonly --idle=1" "--modes=txonly --linger=3" --size=1458
pair bare-trip memif "--idle=1" --linger=3 --modes=trip --size=64
for wire in memif kernel; do
	for n in 1 64; do
		pair "stream-$n-$wire" $wire "" "--sockets=$n" --modes=stream --size="$size"
	done
	for n in 1 64 1024 10000; do
		pair "rr-$n-$wire" $wire "" "--sockets=$n" --modes=rr --size=64
	done
	# numbers come round in less time than the clock of sequence numbers allows without timestamps
	VMA_TCP_TIMESTAMP_OPTION=1 pair "connect-64-$wire" $wire "" "--sockets=64" --modes=connect --size=64 --ports=8
	[ "$idle" -gt 0 ] || continue
	pair "open-1000-$wire" $wire "" "--sockets=1000" --modes=rr --size=64
	pair "open-$idle-$wire" $wire "" "--sockets=1000 --idle-connections=$((idle - 1000))" --modes=rr --size=64 --ports=8
done

python3 - "$tmp" "$idle" <<'EOF2'
import json, os, sys

UNIT = {"stream": ("cycles_per_byte", "gbit_per_second", "Gbit/s", "cycles/byte", 2),
        "rr": ("cycles_per_packet", "packets_per_second", "requests/s", "cycles/request", 0),
        "connect": ("cycles_per_packet", "packets_per_second", "connections/s", "cycles/connection", 0)}


def load(name):
    ends = []
    for role in ("active", "passive"):
        with open(os.path.join(sys.argv[1], f"{name}.{role}.json")) as f:
            ends.append(json.load(f))
    return ends


def bare(name, what):
    goes, waits = load(name)
    return sum(e["modes"][0][what] for e in (goes, waits)), goes


cost, frames = bare("bare-frames", "cycles_per_byte")
print(f'\nbare frames of 1500 bytes: {frames["modes"][0]["gbit_per_second"]:.1f} Gbit/s, '
      f'{cost:.3f} cycles/byte; one frame there and back: '
      f'{bare("bare-trip", "cycles_per_packet")[1]["round_trip_us"]["p50"]:.2f} us')
print("\n| what | dpvma | kernel | times | cost | dpvma | kernel | kernel/dpvma | dpvma/bare |\n"
      "|---|---|---|---|---|---|---|---|---|")
for mode, n in (("stream", 1), ("stream", 64), ("rr", 1), ("rr", 64), ("rr", 1024), ("rr", 10000),
                ("connect", 64)):
    what, rate, unit, per, digits = UNIT[mode]
    ours, theirs = (load(f"{mode}-{n}-{wire}") for wire in ("memif", "kernel"))
    fast = [e[0]["modes"][0][rate] for e in (ours, theirs)]
    # cost of a byte moved: a stream's bytes are sent once and received once
    dear = [sum(end["modes"][0][what] for end in e) for e in (ours, theirs)]
    print(f"| {mode}, {n} | {fast[0]:,.{digits}f} {unit} | {fast[1]:,.{digits}f} | {fast[0] / fast[1]:.2f} "
          f"| {per} | {dear[0]:,.{digits}f} | {dear[1]:,.{digits}f} | {dear[1] / dear[0]:.2f} "
          f"| {f'{dear[0] / cost:.1f}' if mode == 'stream' else ''} |")
many = sys.argv[2]
if int(many) > 0:
    few, lots = load("open-1000-memif"), load(f"open-{many}-memif")
    dear = [sum(e["modes"][0]["cycles_per_packet"] for e in ends) for ends in (few, lots)]
    grown = [(b["memory"]["after"] - a["memory"]["after"]) / 1048576 for a, b in zip(few, lots)]
    print(f"\n{many} open connections: {grown[1]:.0f} MB more than 1,000 for who listens, {grown[0]:.0f} MB for "
          f"who connects; a request {dear[1]:,.0f} cycles, with 1,000 {dear[0]:,.0f}: "
          f"{dear[1] / dear[0]:.2f} times")
EOF2
