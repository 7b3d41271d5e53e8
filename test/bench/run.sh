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
# shellcheck source=common.sh
. "$top/test/bench/common.sh"
export VMA_PROGRESS_ENGINE_INTERVAL=1000

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
