#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Runs one case in a network namespace of its own: run.sh LIBRARY CXTEST CASE
# Huge pages are used when HUGE=1; the case is skipped (77) when there are too few.
set -u
library=$1 program=$2 case=$3

if [ "$(id -u)" = 0 ]; then
	space="unshare -n"
else
	space="unshare -Urn"
fi
$space true 2>/dev/null || { echo "no network namespace: $space does not work here"; exit 77; }
[ -e /dev/net/tun ] || { echo "no /dev/net/tun"; exit 77; }
if [ "${HUGE:-0}" = 1 ]; then
	[ "$(awk '/HugePages_Free/ { print $2 }' /proc/meminfo)" -ge 200 ] || exit 77
	memory="--in-memory -m 300"
else
	memory="--no-huge --no-shconf -m 300"
fi

if [ "$case" = testpmd ]; then
	command -v dpdk-testpmd >/dev/null || exit 77
	out=$( (sleep 3; echo stop; echo quit) |
		CONNECTX_WIRE=gen:dst=10.99.0.2,port=5000,count=100000 LD_PRELOAD=$library \
		timeout 60 $space dpdk-testpmd -l 0,1 --no-telemetry $memory \
		-a 0000:03:00.0,mprq_en=1,rxqs_min_mprq=1 -- -i --total-num-mbufs=16384 --rxd=1024 \
		--forward-mode=rxonly --no-flush-rx --auto-start 2>&1)
	echo "$out"
	echo "$out" | grep -Eq 'RX-packets: 10000[0-9] ' || { echo "not 100000 packets"; exit 1; }
	exit 0
fi

# readme: every variable and wire of the help is explained there
if [ "$case" = readme ]; then
	readme=$(dirname "$0")/../../../drivers/sim/connectx/README.md
	words=$(CONNECTX_WIRE=help LD_PRELOAD=$library /bin/true | awk '/^  / { print $1 }')
	[ -n "$words" ] || exit 1
	for word in $words; do
		grep -q "^| \`${word}[\`:]" "$readme" || { echo "README.md does not have $word"; exit 1; }
	done
	exit 0
fi

# attach: as restart, on TAPs that are there already
if [ "$case" = attach ]; then
	command -v ip >/dev/null || exit 77
	export LIBRARY="$library" PROGRAM="$program" MEMORY="$memory"
	exec $space sh -ec '
		for tap in cx0 cxwire0; do ip tuntap add $tap mode tap; done
		ip link set cx0 address 02:77:00:00:00:01 up
		ip link set cxwire0 up
		LD_PRELOAD=$LIBRARY "$PROGRAM" restart -l 0 $MEMORY
		# neither changed nor gone
		ip link show cx0 | grep -q 02:77:00:00:00:01
		ip link show cxwire0 >/dev/null'
fi

# afp: as restart, over a veth
if [ "$case" = afp ]; then
	command -v ip >/dev/null || exit 77
	export LIBRARY="$library" PROGRAM="$program" MEMORY="$memory"
	exec $space sh -ec '
		ip link add cxv0 type veth peer name cxwire0
		ip link set cxv0 up
		ip link set cxwire0 up
		LD_PRELOAD=$LIBRARY exec "$PROGRAM" afp -l 0 $MEMORY'
fi

# fault-seed: the same seed loses the same datagrams, another one others, on either way
if [ "$case" = fault-seed ]; then
	lost() {
		CONNECTX_FAULTS=seed:$2,drop@rate:0.05 LD_PRELOAD=$library \
			$space "$program" "fault-$1-rate" -l 0 $memory 2>/dev/null | grep '^lost'
	}
	for way in rx tx; do
		first=$(lost $way 7) || { echo "$way: no answer"; exit 1; }
		[ "$(lost $way 7)" = "$first" ] || { echo "$way: seed 7 is not the same twice"; exit 1; }
		[ "$(lost $way 8)" != "$first" ] || { echo "$way: seed 8 is as seed 7"; exit 1; }
		echo "$way: $first"
	done
	exit 0
fi

# The driver writes what it finds of a queue in error to /var/log: to one of the process' own here.
case $case in
fault-error*) space="$space -m" dumps=1 ;;
fault-stall-compressed) export CONNECTX_CQE_COMP=1 ;;
esac
if [ -n "${dumps:-}" ]; then
	# shellcheck disable=SC2016
	set -- sh -ec 'mount -t tmpfs none /var/log; exec "$0" "$@"' "$program" "$case"
else
	set -- "$program" "$case"
fi

out=$(mktemp)
trap 'rm -f "$out"' EXIT
CONNECTX_VERBOSE=1 LD_PRELOAD=$library $space "$@" -l 0 $memory >"$out" 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null' INT TERM
wait $pid
ret=$?
cat "$out"
[ $ret = 0 ] || exit $ret
# unshare becomes the program, so the tree has its number
if ls -d /tmp/connectx-$pid-* >/dev/null 2>&1; then
	echo "the device tree was left behind"
	exit 1
fi
expect() {
	grep -q " $1 $2: " "$out" || { echo "not $1 $2"; exit 1; }
}
case $case in
gen-compressed* | fault-stall-compressed)
	# the PMD does not tell: without this the case would pass with nothing compressed
	grep -q '[1-9][0-9]* comp_cqes' "$out" || { echo "nothing compressed"; exit 1; }
	;;
# expect NUMBER COUNTER: as the summary at the end has it
fault-rx-drop) expect 22 rx_fault_drop ;;
fault-tx-drop) expect 22 tx_fault_drop ;;
fault-rx-dup) expect 7 rx_fault_dup ;;
fault-tx-dup) expect 7 tx_fault_dup ;;
fault-rx-reorder) expect 3 rx_fault_reorder ;;
fault-tx-reorder) expect 3 tx_fault_reorder ;;
fault-stamp) expect 1 rx_fault_delay && expect 2 rx_fault_corrupt ;;
fault-time) expect 1 rx_fault_dup && expect 1 rx_fault_drop && expect 1 rx_fault_delay ;;
fault-error-tx) expect 1 tx_fault_cqe_error ;;
fault-error-*-vector) expect 1 rx_fault_cqe_error ;;
fault-error-*) expect 2 rx_fault_cqe_error ;;
fault-stall-tx) expect 1 tx_fault_stall ;;
fault-stall*) expect 1 rx_fault_stall ;;
link) expect 1 link_downs && expect 1 rx_no_link && expect 1 tx_no_link ;;
remove*) expect 1 removals ;;
shape-rate) expect 600 rx_shaped ;;
shape-queue) expect 22 tx_shaped && expect 42 tx_queue_drop ;;
shape-ecn) expect 7 tx_ecn_mark && expect 16 tx_queue_drop ;;
gen-filler)
	grep -q '[1-9][0-9]* rx_fillers' "$out" || { echo "no fillers"; exit 1; }
	;;
esac
exit 0
