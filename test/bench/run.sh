#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# test/bench/run.sh [SECONDS]: the speed bars, each a ratio within one run on one queue. The device
# thread of the software ConnectX generates on one core, the receiver works on the other. Prints a
# table; doc/performance.md holds what was measured. Not part of test/run.sh: a shared machine's
# speed decides nothing there.
# shellcheck source=../../app/setup.sh
seconds=${1:-10}
set --
. "$(dirname "$0")/../../app/setup.sh"
[ "$(id -u)" -eq 0 ] || die "run as root: it makes a network namespace"
cd "$top"
install_packages
take_huge_pages 512
build_all

tmp=$(mktemp -d /tmp/dpvma-bench.XXXXXX)
at_exit rm -rf "$tmp"
testpmd=$build/app/testpmd/dpvma-testpmd
sim=$build/drivers/sim/connectx/libdpvma-connectx.so
ns=dpvma-bench-$$
ip netns add "$ns"; at_exit ip netns del "$ns"
ip -n "$ns" link set lo up
ip -n "$ns" tuntap add nic0 mode tap
ip -n "$ns" link set nic0 address 02:11:22:33:44:55 up
ip -n "$ns" addr add 10.99.0.2/24 dev nic0
export VMA_RX_BUFS=65536 VMA_RX_WRE=8192 VMA_TX_BUFS=4096 VMA_TRACELEVEL=warning DPVMA_QUEUES=1
export VMA_PROGRESS_ENGINE_INTERVAL=1000

# The receiver has processor 1; the device thread and everything else processor 0.
mlx5() { # NAME GEN STRIDE-LOG STRIDES-LOG OPTIONS...
	local name=$1 gen=$2 ss=$3 sn=$4; shift 4
	# shellcheck disable=SC2046
	ip netns exec "$ns" env LD_PRELOAD="$sim" CONNECTX_NETDEV=nic0 CONNECTX_CPU=0 \
		CONNECTX_WIRE="gen:dst=10.99.0.2,port=5000,$gen" VMA_INTERNAL_THREAD_AFFINITY=0 \
		"$testpmd" -l 1 --no-telemetry $(eal_memory 640) \
		-a "0000:03:00.0,mprq_en=1,rxqs_min_mprq=1,mprq_log_stride_size=$ss,mprq_log_stride_num=$sn,mprq_max_memcpy_len=0,rxq_cqe_comp_en=0" \
		-- --json="$tmp/$name.json" --quiet --duration="$seconds" "$@" >"$tmp/$name" 2>&1 ||
		{ cat "$tmp/$name" >&2; die "$name failed"; }
}

for size in 64 1400; do
	# strides of 256 and 2048 bytes: the frame and the 128 bytes that the PMD wants beside it
	log=8; num=10; stride=214
	[ "$size" = 1400 ] && { log=11; num=8; stride=1400; }
	say "cyclic next to the bare PMD, $size B"
	mlx5 "cyclic-$size" "size=$size" $log $num --modes=cyclic,rxonly --size=$size --stride-bytes=$stride --gather-us=30 --batch=64
done
say "plain receive next to the bare PMD, 64 B"
mlx5 recv-64 "size=64" 8 10 --modes=recv,rxonly --size=64 --gather-us=30 --batch=64
for round in 1 2 3; do
	for sockets in 1 10000; do
		say "$sockets sockets, round $round"
		mlx5 "sockets-$sockets-$round" "size=64,ports=$sockets" 8 10 --modes=recv --size=64 \
			--sockets=$sockets --batch=1
	done
done

python3 - "$tmp" <<'EOF'
import json, os, statistics, sys

def load(name):
    with open(os.path.join(sys.argv[1], name + ".json")) as f:
        return json.load(f)

print("\n| what | cycles/packet | beside it | ratio | bar |\n|---|---|---|---|---|")
for name, bar in (("cyclic-64", 1.2), ("cyclic-1400", 1.2), ("recv-64", 3.0)):
    a, b = load(name)["modes"][:2]
    ratio = a["cycles_per_packet"] / b["cycles_per_packet"]
    print(f'| {name} | {a["cycles_per_packet"]:.1f} | {b["mode"]} {b["cycles_per_packet"]:.1f} '
          f'| {ratio:.2f} | {bar} |')
ratios, many, one = [], [], []
for r in (1, 2, 3):
    one.append(load(f"sockets-1-{r}")["modes"][0]["cycles_per_packet"])
    many.append(load(f"sockets-10000-{r}")["modes"][0]["cycles_per_packet"])
    ratios.append(many[-1] / one[-1])
print(f'| recv, 10,000 sockets | {statistics.median(many):.1f} | one socket {statistics.median(one):.1f} '
      f'| {statistics.median(ratios):.2f} | 1.2 |')
EOF
