#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# test/bench/interfaces.sh [SECONDS]: what each way to receive costs a packet of 64 bytes, next to
# the bare PMD on the same queue: on mlx5 with striding queues, packets made by the software
# ConnectX, and on a memif between two processes. Windows of all ways take turns in one run (cyclic
# reads, whose ring gives nothing to sockets, in a run of their own); medians over windows, ratios
# over rounds. doc/performance.md holds what was measured. Nothing else may run meanwhile.
# shellcheck source=../../app/setup.sh
seconds=${1:-10}
set --
. "$(dirname "$0")/../../app/setup.sh"
# shellcheck source=common.sh
. "$top/test/bench/common.sh"
sockets=rxonly,recv,zcopy,callback,xtreme
turns=(--size=64 --window-ms=50 --batch=64)
cyclic=(--modes=rxonly,cyclic --stride-bytes=214 --num=16384)
export VMA_SOCKETXTREME=1

# A batch is there each time the receiver looks, and the memif does not run full: a sender that finds
# no room fights for its cache lines.
memif() { # NAME OPTIONS...
	local name=$1 sender; shift
	local -a vdev=(--no-pci --no-telemetry)
	at=net_memif0,id=0,socket=$tmp/$name.sock,socket-abstract=no,rsize=12
	# shellcheck disable=SC2046
	DPVMA_PORTS='net_memif0=10.98.0.2/24,neigh=10.98.0.1@02:00:00:00:00:01' VMA_INTERNAL_THREAD_AFFINITY=0 \
		"$testpmd" -l 1 "${vdev[@]}" --file-prefix="dpvma-bench-$$-in" $(eal_memory 320) \
		--vdev="$at,role=server,mac=02:00:00:00:00:02" -- --json="$tmp/$name.json" --quiet \
		--duration=$((seconds + 1)) --idle=2 "$@" >"$tmp/$name" 2>&1 &
	receiver=$!
	at_exit stop_pid $receiver
	for _ in $(seq 200); do
		grep -q READY "$tmp/$name" && break
		kill -0 $receiver 2>/dev/null || { cat "$tmp/$name" >&2; die "$name did not start"; }
		read -rt 0.1 <> <(:) || :
	done
	# shellcheck disable=SC2046
	VMA_SOCKETXTREME=0 DPVMA_PORTS='net_memif0=10.98.0.1/24,neigh=10.98.0.2@02:00:00:00:00:02' \
		"$testpmd" -l 0 "${vdev[@]}" --file-prefix="dpvma-bench-$$-out" $(eal_memory 320) \
		--vdev="$at,role=client,mac=02:00:00:00:00:01" -- --modes=send --peer=10.98.0.2 --size=64 \
		--rate=2000000 --quiet --duration=$((seconds + 30)) >"$tmp/$name.send" 2>&1 &
	sender=$!
	at_exit stop_pid $sender
	wait $receiver || { cat "$tmp/$name" "$tmp/$name.send" >&2; die "$name failed"; }
	stop_pid $sender
}

say "mlx5, the ways by sockets"
mlx5 mlx5-sockets size=64 8 10 --modes=$sockets "${turns[@]}" --gather-us=30
say "mlx5, the same with small packets copied by the PMD, as it does by itself"
copied=128 mlx5 copied-sockets size=64 8 10 --modes=$sockets "${turns[@]}" --gather-us=30
say "mlx5, cyclic reads"
mlx5 mlx5-cyclic size=64 8 10 "${cyclic[@]}" "${turns[@]}" --gather-us=30
export VMA_RX_BUFS=32768 VMA_RX_WRE=4096
say "memif, the ways by sockets"
memif memif-sockets --modes=$sockets "${turns[@]}" --gather-us=30
say "memif, cyclic reads"
memif memif-cyclic "${cyclic[@]}" "${turns[@]}" --gather-us=30

python3 - "$tmp" <<'EOF2'
import json, os, sys

BARS = {"cyclic": 1.2, "xtreme": 1.5, "zcopy": 2.0, "callback": 1.7, "recv": 3.0}
print("\n| wire | way | cycles/packet | packets/call | rounds | times rxonly | bar |\n"
      "|---|---|---|---|---|---|---|")
WIRES = {"mlx5": "mlx5", "copied": "mlx5, PMD copies", "memif": "memif"}
for wire, name in WIRES.items():
    for run in ("sockets", "cyclic"):
        if wire == "copied" and run == "cyclic":
            continue
        with open(os.path.join(sys.argv[1], f"{wire}-{run}.json")) as f:
            result = json.load(f)
        for m in result["modes"]:
            bar = BARS.get(m["mode"])
            # the bars are for the NIC
            judged = "" if bar is None or wire == "memif" else (
                f"{bar}" if m["median_ratio"] <= bar else f"{bar}: **not met**")
            print(f'| {name} | {m["mode"]} | {m["median_cycles_per_packet"]:.1f} '
                  f'| {m["packets_per_call"]:.0f} | {m["windows"]} | {m["median_ratio"]:.2f} | {judged} |')
EOF2
