#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# test/fuzz/run.sh BUILD [SECONDS [FUZZER...]]: build the fuzzers with clang into BUILD/fuzz and run
# each for so many seconds, from the inputs its generator makes, among them those that found
# something once. FUZZ_SEED=N begins elsewhere (0: anywhere). Fails when one finds anything; what
# it found stays in BUILD/fuzz.
set -eu
cd "$(dirname "$0")/../.."
build=$(realpath -m "${1:?usage: test/fuzz/run.sh BUILD [SECONDS [FUZZER...]]}")/fuzz
seconds=${2:-20}
fuzzers=("${@:3}")
[ ${#fuzzers[@]} -gt 0 ] || fuzzers=(net_input fuzz_tcp fuzz_rules)
command -v clang >/dev/null || { echo "fuzz: no clang, nothing was fuzzed"; exit 0; }
mkdir -p "$build"

read -ra flags <<<"-std=gnu11 -O1 -g -D_GNU_SOURCE -Ilib -Itest/unit/net -fno-strict-aliasing \
	$(pkg-config --cflags libdpdk libnl-3.0 libbsd-overlay cmocka)"
read -ra libs <<<"$(pkg-config --libs libmd libdpdk libbsd-overlay cmocka) -lrte_net_ring -pthread"
# DPDK reads words where they lie, and RTE_IPV4() shifts into the sign
sanitize=(-fsanitize=fuzzer,address,undefined -fno-sanitize=alignment,shift
	-fno-sanitize-recover=undefined)
# leaks of buffers are found by the fuzzers themselves; EAL keeps what it has
export ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=4:malloc_context_size=4

# rooms ROOM...: their sources, into the array of that name
rooms() {
	local room f
	rooms=()
	for room; do
		for f in "lib/$room"/*.c; do
			[[ $f == */doc_main.c ]] || rooms+=("$f")
		done
	done
}

build_net_input() {
	local world=(test/unit/net/world.c test/unit/net/frame.c lib/ring/lock.c)
	rooms net stat base conf
	clang "${flags[@]}" "${sanitize[@]}" test/fuzz/net_input.c "${world[@]}" "${rooms[@]}" \
		"${libs[@]}" -o "$build/net_input"
	clang "${flags[@]}" test/fuzz/net_corpus.c "${world[@]}" "${rooms[@]}" "${libs[@]}" \
		-o "$build/net_input_corpus"
}

build_fuzz_tcp() {
	rooms tcp stat base
	clang "${flags[@]}" "${sanitize[@]}" test/fuzz/fuzz_tcp{,_app,_check,_peer}.c \
		"${rooms[@]}" "${libs[@]}" -o "$build/fuzz_tcp"
	clang "${flags[@]}" test/fuzz/fuzz_tcp_corpus.c -o "$build/fuzz_tcp_corpus"
}

build_fuzz_rules() {
	rooms conf base
	clang "${flags[@]}" "${sanitize[@]}" test/fuzz/fuzz_rules.c "${rooms[@]}" "${libs[@]}" \
		-o "$build/fuzz_rules"
	clang "${flags[@]}" -DCORPUS test/fuzz/fuzz_rules.c "${rooms[@]}" "${libs[@]}" \
		-o "$build/fuzz_rules_corpus"
}

# fuzz NAME OPTION...
fuzz() {
	local name=$1 corpus=$build/corpus
	rm -rf "$corpus"
	mkdir -p "$corpus"
	"$build/${name}_corpus" "$corpus"
	echo "fuzz: $name for $seconds s"
	"$build/$name" -seed="${FUZZ_SEED:-1}" -max_total_time="$seconds" -timeout=10 -verbosity=1 -print_final_stats=1 \
		-artifact_prefix="$build/" "${@:2}" "$corpus" >"$build/$name.log" 2>&1 ||
		{ tail -n 60 "$build/$name.log"; exit 1; }
	grep -E "number_of_executed_units|cov:" "$build/$name.log" | tail -n 2
	rm -rf "$corpus"
}

for name in "${fuzzers[@]}"; do
	case $name in
	net_input) options=(-max_len=4096) ;;
	fuzz_tcp) options=(-max_len=400 -len_control=0) ;;
	fuzz_rules) options=(-max_len=1024) ;;
	*) echo "fuzz: no fuzzer $name"; exit 2 ;;
	esac
	"build_$name"
	fuzz "$name" "${options[@]}"
done
