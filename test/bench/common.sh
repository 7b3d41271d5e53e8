# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the benchmarks by dpvma-testpmd share; sourced after app/setup.sh, with $seconds set. The
# receiver has processor 1, whatever sends to it and everything else processor 0.
# shellcheck disable=SC2154
[ "$(id -u)" -eq 0 ] || die "run as root: it makes a network namespace"
cd "$top" || exit
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

# What the device's own generator makes, by the mlx5 PMD with striding queues.
mlx5() { # NAME GEN STRIDE-LOG STRIDES-LOG OPTIONS...
	local name=$1 gen=$2 ss=$3 sn=$4; shift 4
	# shellcheck disable=SC2046
	ip netns exec "$ns" env LD_PRELOAD="$sim" CONNECTX_NETDEV=nic0 CONNECTX_CPU=0 \
		CONNECTX_WIRE="gen:dst=10.99.0.2,port=5000,$gen" VMA_INTERNAL_THREAD_AFFINITY=0 \
		"$testpmd" -l 1 --no-telemetry $(eal_memory 640) \
		-a "0000:03:00.0,mprq_en=1,rxqs_min_mprq=1,mprq_log_stride_size=$ss,mprq_log_stride_num=$sn,mprq_max_memcpy_len=${copied:-0},rxq_cqe_comp_en=0" \
		-- --json="$tmp/$name.json" --quiet --duration="$seconds" "$@" >"$tmp/$name" 2>&1 ||
		{ cat "$tmp/$name" >&2; die "$name failed"; }
}
