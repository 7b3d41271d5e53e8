# SPDX-License-Identifier: BSD-3-Clause
# Sourced by app/demo.sh and test/run.sh: what a bare Debian lacks, huge pages, the build; and the
# way back. Everything a script makes is registered with at_exit, so that it goes when the script
# ends, also when it is interrupted.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${BUILD:-$top/build}
exit_commands=()

say() { printf '%s\n' "== $*"; }
die() { printf '%s\n' "$0: $*" >&2; exit 1; }

# at_exit COMMAND...: the last one registered runs first.
at_exit() { exit_commands=("$(printf '%q ' "$@")" "${exit_commands[@]}"); }
run_exit_commands() {
	local status=$?
	trap - EXIT INT TERM HUP
	set +e
	for c in "${exit_commands[@]}"; do eval "$c" >/dev/null 2>&1; done
	exit "$status"
}
trap run_exit_commands EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Ends a process that we started, and waits for it.
stop_pid() {
	kill "$1" 2>/dev/null || return 0
	for _ in $(seq 50); do kill -0 "$1" 2>/dev/null || return 0; read -rt 0.1 <> <(:) || :; done
	kill -9 "$1" 2>/dev/null || :
}

packages=(gcc meson ninja-build pkg-config libdpdk-dev dpdk-dev libibverbs-dev rdma-core
	ibverbs-providers libnl-3-dev libnl-route-3-dev libbsd-dev libmd-dev libcmocka-dev libpcap-dev iproute2
	iputils-ping ethtool
	sockperf python3 binutils procps "$@")

# Servers among the packages are installed, not started: Debian asks a policy, which is ours for as
# long as there is none.
hold_servers() {
	local policy=/usr/sbin/policy-rc.d
	[ ! -e "$policy" ] || return 0
	at_exit release_servers
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	held=$policy
}
release_servers() {
	[ -z "${held:-}" ] || rm -f "$held"
	held=
}

install_packages() {
	local missing=() p
	for p in "${packages[@]}"; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
	done
	[ ${#missing[@]} -eq 0 ] && return 0
	[ "$(id -u)" -eq 0 ] || die "run as root, or install first: ${missing[*]}"
	say "installing ${missing[*]}"
	hold_servers
	apt-get update -qq >/dev/null || die "apt-get update failed: no package source is reachable"
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
		>"/tmp/dpvma-apt.$$" 2>&1 || { cat "/tmp/dpvma-apt.$$" >&2; rm -f "/tmp/dpvma-apt.$$"
		die "installing ${missing[*]} failed"; }
	rm -f "/tmp/dpvma-apt.$$"
	release_servers
}

# Takes $1 huge pages of 2 MB if it may. Sets HUGE=1 when there are enough, else HUGE=0: then EAL
# runs on ordinary pages (--no-huge), slower and otherwise the same.
take_huge_pages() {
	local want=$1 file=/proc/sys/vm/nr_hugepages before free
	HUGE=0
	export HUGE
	[ -w "$file" ] || { say "no huge pages here: ordinary pages are used"; return 0; }
	before=$(cat "$file")
	free=$(awk '/HugePages_Free/{print $2}' /proc/meminfo)
	if [ "$free" -lt "$want" ]; then
		at_exit sh -c "echo $before > $file"
		echo $((before + want - free)) >"$file" 2>/dev/null || :
		free=$(awk '/HugePages_Free/{print $2}' /proc/meminfo)
	fi
	[ "$free" -ge "$want" ] && HUGE=1
	[ $HUGE = 1 ] || say "only $free of $want huge pages: ordinary pages are used"
}

# EAL's memory arguments for $1 MB, for this machine.
eal_memory() {
	if [ "${HUGE:-0}" = 1 ]; then
		echo "--in-memory -m $1"
	else
		# --in-memory wants huge pages; without them a runtime directory of our own is used
		echo "--no-huge --no-shconf -m $1"
	fi
}

build_all() {
	[ -f "$build/build.ninja" ] || meson setup "$build" "$top" -Dwerror=true >/dev/null ||
		{ cat "$build/meson-logs/meson-log.txt" >&2; die "configuring failed"; }
	ninja -C "$build" >"$build/ninja.log" 2>&1 || { tail -n 60 "$build/ninja.log" >&2; die "the build failed"; }
}
