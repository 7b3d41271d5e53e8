#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# test/fuzz/run.sh BUILD [SECONDS]: build the fuzzers with clang into BUILD/fuzz and run each for so
# many seconds from the inputs its generator makes. Fails when one finds anything; what it found stays
# in BUILD/fuzz.
set -eu
cd "$(dirname "$0")/../.."
build=$(realpath -m "${1:?usage: test/fuzz/run.sh BUILD [SECONDS]}")/fuzz
seconds=${2:-20}
command -v clang >/dev/null || { echo "fuzz: no clang, nothing was fuzzed"; exit 0; }
mkdir -p "$build"

read -ra flags <<<"-std=gnu11 -O1 -g -D_GNU_SOURCE -Ilib -Itest/unit/net -fno-strict-aliasing \
	$(pkg-config --cflags libdpdk libnl-3.0 libbsd-overlay cmocka)"
read -ra libs <<<"$(pkg-config --libs libdpdk libbsd-overlay cmocka) -lrte_net_ring -pthread"
rooms=()
for f in lib/{net,stat,base,conf}/*.c; do
	[[ $f == */doc_main.c ]] || rooms+=("$f")
done
world=(test/unit/net/world.c test/unit/net/frame.c)

# DPDK reads words where they lie, and RTE_IPV4() shifts into the sign
clang "${flags[@]}" -fsanitize=fuzzer,address,undefined -fno-sanitize=alignment,shift \
	-fno-sanitize-recover=undefined test/fuzz/net_input.c "${world[@]}" "${rooms[@]}" \
	"${libs[@]}" -o "$build/net_input"
clang "${flags[@]}" test/fuzz/net_corpus.c "${world[@]}" "${rooms[@]}" "${libs[@]}" \
	-o "$build/net_corpus"

rm -rf "$build/corpus"
mkdir -p "$build/corpus"
"$build/net_corpus" "$build/corpus"
echo "fuzz: net_input for $seconds s"
# leaks of buffers are found by the fuzzer itself; EAL keeps what it has
ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=4:malloc_context_size=4 "$build/net_input" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
	-verbosity=1 -print_final_stats=1 -artifact_prefix="$build/" "$build/corpus" \
	>"$build/net_input.log" 2>&1 || { tail -n 60 "$build/net_input.log"; exit 1; }
grep -E "number_of_executed_units|cov:" "$build/net_input.log" | tail -n 2
rm -rf "$build/corpus"
