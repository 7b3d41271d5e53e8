#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# app/demo.sh: UDP streams from senders that know nothing of dpvma, received through the real mlx5
# PMD with striding queues on a software ConnectX, each way to receive beside the others; then from
# dpvma itself, over the cable of two such NICs and over memif.
# Ends in one table. Needs root; leaves nothing behind.
# shellcheck source=setup.sh
. "$(dirname "$0")/setup.sh"
[ "$(id -u)" -eq 0 ] || die "run as root: the demo makes two network namespaces and a TAP in each"
seconds=${SECONDS_EACH:-4}

cd "$top"
install_packages
take_huge_pages 640 # the largest receiver and a sender beside it
say "building"
build_all

tmp=$(mktemp -d /tmp/dpvma-demo.XXXXXX)
at_exit rm -rf "$tmp"
testpmd=$build/app/testpmd/dpvma-testpmd
blast=$build/app/dpvma-blast
sim=$build/drivers/sim/connectx/libdpvma-connectx.so
host=dpvma-host-$$
peer=dpvma-peer-$$

# Two hosts: ours with the NIC's kernel device, and a peer at the other end of the wire.
ip netns add "$host"; at_exit ip netns del "$host"
ip netns add "$peer"; at_exit ip netns del "$peer"
ip -n "$host" link set lo up
ip -n "$host" tuntap add nic0 mode tap
ip -n "$host" link set nic0 address 02:11:22:33:44:55 up
ip -n "$host" addr add 10.99.0.2/24 dev nic0
ip -n "$peer" link set lo up

# The wire is a TAP that the NIC opens in our namespace; its other end moves to the peer.
wire_up() {
	ip -n "$host" link set wire0 netns "$peer"
	ip -n "$peer" link set wire0 txqueuelen 10000 up
	# the default queue has no lock, and reorders what a sender that changes processors gives it
	tc -n "$peer" qdisc replace dev wire0 root pfifo limit 10000
	ip -n "$peer" addr add 10.99.0.1/24 dev wire0
}

mlx5_args() { # STRIDE-LOG STRIDES-LOG
	echo "-a 0000:03:00.0,mprq_en=1,rxqs_min_mprq=1,mprq_log_stride_size=$1,mprq_log_stride_num=$2,mprq_max_memcpy_len=0,rxq_cqe_comp_en=0"
}
export VMA_RX_BUFS=65536 VMA_RX_WRE=8192 VMA_TX_BUFS=8192 VMA_TRACELEVEL=warning DPVMA_QUEUES=1

# The PMD needs 128 bytes beside the frame to leave it in its stride: 256 and 2048. The profile's
# padded stride (the power of two above payload and 42 bytes of headers) is made the same.
geometry() {
	log=8; num=10; stride=214
	[ "$1" = 1400 ] && { log=11; num=8; stride=1400; }
	return 0
}

# start NAME COMMAND...: in the background, output in $tmp/NAME, until it says READY.
start() {
	local name=$1; shift
	"$@" >"$tmp/$name" 2>&1 &
	started=$!
	at_exit stop_pid "$started"
	for _ in $(seq 200); do
		grep -q READY "$tmp/$name" 2>/dev/null && return 0
		kill -0 "$started" 2>/dev/null || break
		read -rt 0.1 <> <(:) || :
	done
	cat "$tmp/$name" >&2
	die "$name did not start"
}

on_mlx5() { # NAME WIRE STRIDE-LOG STRIDES-LOG OPTIONS...
	local name=$1 wire=$2 ss=$3 sn=$4; shift 4
	# shellcheck disable=SC2046
	start "$name" ip netns exec "$host" env LD_PRELOAD="$sim" CONNECTX_NETDEV=nic0 CONNECTX_WIRE="$wire" \
		"$testpmd" -l 0 --no-telemetry $(eal_memory 512) $(mlx5_args "$ss" "$sn") -- \
		--json="$tmp/$name.json" --quiet "$@"
}

finish() { # NAME: wait, and show what it said when it failed
	wait "$started" || { cat "$tmp/$1" >&2; die "$1 failed"; }
}

kernel_wire=tap:wire0

say "an unmodified sender: sockperf, 64 B, cyclic read over striding queues"
on_mlx5 sockperf-64 "$kernel_wire" 8 10 --modes=cyclic --size=64 --stride-bytes=214 --idle=1 --duration=30 --min-packets=1000
wire_up
ip netns exec "$peer" sockperf throughput -i 10.99.0.2 -p 5000 --msg-size 64 --mps 100000 -t "$seconds" \
	>"$tmp/sockperf" 2>&1 || { cat "$tmp/sockperf" >&2; die "sockperf failed"; }
finish sockperf-64

for size in 64 1400; do
	geometry "$size"
	for mode in cyclic recv; do
		say "a checked sender on a kernel socket, $size B, $mode: every byte and number compared"
		on_mlx5 "tap-$mode-$size" "$kernel_wire" $log $num --modes=$mode --size=$size --stride-bytes=$stride --check --idle=1 \
			--duration=30 --min-packets=1000
		wire_up
		ip netns exec "$peer" "$blast" 10.99.0.2 5000 $size 100000 $((100000 * seconds)) >"$tmp/blast"
		finish "tap-$mode-$size"
	done
done

# A cyclic ring gives nothing to sockets, so it has a run of its own; all else takes turns on one queue.
for size in 64 1400; do
	geometry "$size"
	say "as fast as it goes: the NIC's own generator, $size B, each way to receive next to the bare PMD"
	for modes in rxonly,cyclic rxonly,recv,zcopy,callback,xtreme; do
		name=gen-${modes//,/-}-$size
		VMA_SOCKETXTREME=1 on_mlx5 "$name" "gen:dst=10.99.0.2,port=5000,size=$size" $log $num \
			--modes=$modes --size=$size --stride-bytes=$stride --gather-us=20 --window-ms=50 --duration="$seconds"
		finish "$name"
	done
done

# The peer has a NIC too; the cable between the two is shared memory.
ip -n "$peer" tuntap add nic0 mode tap
ip -n "$peer" link set nic0 address 02:11:22:33:44:66 up
ip -n "$peer" addr add 10.99.0.1/24 dev nic0
ip -n "$peer" neigh add 10.99.0.2 lladdr 02:11:22:33:44:55 dev nic0
for size in 64 1400; do
	geometry "$size"
	for mode in cyclic recv; do
		say "mlx5 in two processes, $size B, $mode: every byte and number compared"
		on_mlx5 "shm-$mode-$size" "shm:demo-$$,lossless=1" $log $num --modes=$mode --size=$size --stride-bytes=$stride --check --idle=1 \
			--duration=30 --min-packets=1000
		receiver=$started
		# shellcheck disable=SC2046
		ip netns exec "$peer" env LD_PRELOAD="$sim" CONNECTX_NETDEV=nic0 CONNECTX_WIRE="shm:demo-$$,lossless=1" \
			VMA_RX_BUFS=16384 VMA_RX_WRE=1024 \
			"$testpmd" -l 1 --no-telemetry --file-prefix=sender $(eal_memory 256) -a 0000:03:00.0 -- \
			--modes=send --peer=10.99.0.2 --size=$size --rate=250000 --duration="$seconds" >"$tmp/send" 2>&1 ||
			{ cat "$tmp/send" >&2; die "the sender failed"; }
		started=$receiver
		finish "shm-$mode-$size"
	done
done

# Addresses of both ends are known, so that no packet waits for ARP.
memif() { # NAME ROLE ADDRESS OPTIONS...
	local name=$1 role=$2 address=$3 mac=02:00:00:00:00:02 other=10.98.0.1@02:00:00:00:00:01; shift 3
	[ "$role" = client ] && { mac=02:00:00:00:00:01; other=10.98.0.2@02:00:00:00:00:02; }
	# shellcheck disable=SC2046
	start "$name" env DPVMA_PORTS="net_memif0=$address/24,neigh=$other" "$testpmd" -l "$([ "$role" = server ] && echo 0 || echo 1)" \
		--no-pci --no-telemetry --file-prefix="$name" $(eal_memory 320) \
		--vdev="net_memif0,role=$role,id=0,socket=$tmp/memif.sock,socket-abstract=no,rsize=12,mac=$mac" -- \
		--json="$tmp/$name.json" --quiet "$@"
}
for size in 64 1400; do
	for mode in cyclic recv; do
		say "memif between two processes, $size B, $mode"
		memif "memif-$mode-$size" server 10.98.0.2 --modes=$mode --size=$size --stride-bytes=$stride --check --idle=1 --duration=30 \
			--min-packets=1000
		receiver=$started
		memif "memif-send-$size" client 10.98.0.1 --modes=send --peer=10.98.0.2 --size=$size \
			--rate=500000 --duration="$seconds" --linger=30
		sender=$started started=$receiver
		finish "memif-$mode-$size"
		started=$sender
		finish "memif-send-$size"
	done
done

python3 - "$tmp" <<'EOF'
import json, os, sys

rows = []
plain, gen = ("cyclic", "recv"), ("rxonly-cyclic", "rxonly-recv-zcopy-callback-xtreme")
order = ["sockperf-64"] + [f"{w}-{m}-{s}" for w in ("tap", "gen", "shm", "memif") for s in (64, 1400)
                           for m in (gen if w == "gen" else plain)]
wires = {"sockperf": "mlx5, sockperf over TAP", "tap": "mlx5, kernel sender over TAP",
         "gen": "mlx5, generator", "shm": "mlx5, two processes", "memif": "memif, two processes"}
for name in order:
    with open(os.path.join(sys.argv[1], name + ".json")) as f:
        result = json.load(f)
    readers = result["counters"]["cyclic"]
    counters = readers[0]["counters"] if readers else {}
    for mode in result["modes"]:
        is_cyclic = mode["mode"] == "cyclic"
        run = counters.get("packets", 0) / counters["runs"] if is_cyclic and counters.get("runs") else None
        rows.append((mode["mode"], wires[name.split("-")[0]], result["size"], f'{mode["packets_per_second"]:,.0f}',
                     f'{mode["median_cycles_per_packet"]:.0f}',
                     f'{mode["median_ratio"]:.2f}' if len(result["modes"]) > 1 else "-",
                     f'{run:.0f}' if run else "-",
                     f'{counters["copies"]:,}' if is_cyclic else "-",
                     f'{mode["missed"] + mode["lost"]}', f'{mode["wrong"] + mode["bad_payload"]}'))
head = ("mode", "wire", "bytes", "packets/s", "cycles/packet", "times rxonly", "mean run", "copies", "drops", "bad")
print("\n| " + " | ".join(head) + " |")
print("|" + "|".join(["---"] * len(head)) + "|")
for row in rows:
    print("| " + " | ".join(str(c) for c in row) + " |")
EOF
say "done"
