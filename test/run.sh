#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# test/run.sh [SUITE...]: everything, or the suites named: style unit wire interop fuzz.
# Installs what is missing, builds, tests, and leaves the machine as it was.
# shellcheck source=../app/setup.sh
suites=("$@")
set --
. "$(dirname "$0")/../app/setup.sh" clang clang-format libclang-rt-14-dev libasan8 \
	libubsan1 libtsan2 tcpdump \
	redis-server redis-tools memcached nginx-light wrk curl netcat-openbsd openssh-server openssh-client \
	rsync iperf3
[ ${#suites[@]} -gt 0 ] || suites=(style unit wire interop fuzz)
wanted() { [[ " ${suites[*]} " == *" $1 "* ]]; }
passed=0
failed=0
count() { if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); say "FAILED: $*"; fi; }

cd "$top"
install_packages
take_huge_pages 512
say "building"
build_all

if wanted style; then
	say "style"
	count test/style.sh
fi

meson_suite() {
	local log=$build/meson-logs/testlog-$1.txt ok bad
	say "$1 tests"
	meson test -C "$build" --no-rebuild --suite "$1" --logbase "testlog-$1" --print-errorlogs \
		--num-processes "$2" || :
	ok=$(awk '/^Ok:/{print $2}' "$log" 2>/dev/null || echo 0)
	bad=$(awk '/^(Fail|Timeout|Unexpected Pass):/{s+=$NF} END{print s+0}' "$log" 2>/dev/null || echo 1)
	[ -n "$ok" ] || bad=$((bad + 1))
	passed=$((passed + ${ok:-0}))
	failed=$((failed + bad))
}
wanted unit && meson_suite unit 2
# one at a time: they own cores, namespaces and the software ConnectX
wanted wire && meson_suite wire 1
wanted interop && meson_suite interop 1

if wanted fuzz && [ -x test/fuzz/run.sh ]; then
	say "fuzz"
	count test/fuzz/run.sh "$build" "${FUZZ_SECONDS:-20}"
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
