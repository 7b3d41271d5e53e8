#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Runs one case in a network namespace of its own: run.sh LIBRARY CXTEST CASE
# Huge pages are used when HUGE=1; the case is skipped (77) when there are too few.
set -u
library=$1 program=$2 case=$3
preload="$(dirname "$0")/preload.sh"

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

# several processes at once, more than there are huge pages for
[ "$case" != clean ] || memory="--no-huge --no-shconf -m 300"

# what the driver takes for 32 NICs
if [ "$case" = nics-many ]; then
	[ "$(awk '/MemAvailable/ { print $2 }' /proc/meminfo)" -ge 3000000 ] || exit 77
	memory="--no-huge --no-shconf -m 2000"
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

# clean: killed processes, children, starts at the same time; with a /tmp of its own
if [ "$case" = clean ]; then
	command -v ip >/dev/null || exit 77
	if [ "$(id -u)" = 0 ]; then space="unshare -nm"; else space="unshare -Urnm"; fi
	export LIBRARY="$library" PROGRAM="$program" MEMORY="$memory" CLEAN="$(dirname "$0")/clean.sh"
	exec $space sh -ec '
		mount -t tmpfs tmpfs /tmp
		exec "$CLEAN" "$LIBRARY" "$PROGRAM" "$CXTOOL" $MEMORY'
fi

# bad-nics: each wrong CONNECTX_NICS gives one line that names what is wrong, and no port
bad_nics() {
	out=$(CONNECTX_NICS=$1 LD_PRELOAD=$library $space "$program" bad-nics -l 0 $memory 2>&1) &&
		case $out in *"$2"*) true ;; *) false ;; esac ||
		{ echo "CONNECTX_NICS=$1: expected \"$2\""; echo "$out"; exit 1; }
}
if [ "$case" = bad-nics ]; then
	while IFS='|' read -r entry words; do
		bad_nics "$entry" "$words"
	done <<-END
		colour=red|no key "colour"
		wire|"wire" is no key=value
		wire=null; mtu|"mtu" is no key=value
		mtu=70000|mtu=70000: not a number from 0 to 65521
		mtu=-1|mtu=-1: not a number from 0 to 65521
		mtu=1x|mtu=1x: not a number from 0 to 65521
		mtu=|mtu=: not a number from 0 to 65521
		mtu=67|mtu=67: not from 68 to 65521
		cqe_comp=2|cqe_comp=2: not a number from 0 to 1
		mac=02:11:22:33:44|mac=02:11:22:33:44: not an address of one interface
		mac=03:11:22:33:44:55|mac=03:11:22:33:44:55: not an address of one interface
		mac=02:11:22:33:44:55:66|mac=02:11:22:33:44:55:66: not an address of one interface
		pci=3:0|pci=3:0: not a PCI address
		pci=0000:03:00.0.0|pci=0000:03:00.0.0: not a PCI address
		netdev=|netdev=: not an interface name of 1 to 15 characters
		netdev=sixteen-letters-|netdev=sixteen-letters-: not an interface name of 1 to 15 characters
		netdev=a/b|netdev=a/b: not an interface name of 1 to 15 characters
		name=|name=: not a name
		name=a/b|name=a/b: not a name
		name=..|name=..: not a name
		name=a;name=a|a and a have the same name
		pci=0000:03:00.0;pci=0000:03:00.0|have the same pci
		pci=0000:0a:00.0;pci=0000:0A:00.0|have the same pci
		netdev=n;netdev=n|have the same netdev
		netdev=cx1;wire=null|have the same netdev
		mac=02:00:00:00:00:0a;mac=02:00:00:00:00:0A|have the same mac
		;;;|no NIC in it
		 |no NIC in it
		@/nonexistent/file|/nonexistent/file: No such file or directory
		@/|/: Is a directory
		@/dev/null|no NIC in it
		@/dev/zero|/dev/zero: longer than 16383 characters
		devid=0x101d-and-more-than-fits|devid: longer than 15 characters
		wire=wet:string|wire "wet:string": no such wire
		wire=tap:cx0|cx0: this TAP is held already
		devid=banana|devid=banana: not a PCI device id
		devid=0x10000|devid=0x10000: not a PCI device id
		pci=0000:03:20.0|pci=0000:03:20.0: not a PCI address
		pci=0000:03:00.8|pci=0000:03:00.8: not a PCI address
		netdev=cx%d|netdev=cx%d: not an interface name
		mac=00:00:00:00:00:00|mac=00:00:00:00:00:00: not an address of one interface
		name=a"b|name=a"b: not a name
	END
	bad_nics "$(yes 'wire=null;' | head -n 33 | tr -d '\n')" "more than 32 NICs"
	bad_nics "$(yes 'wire=null ' | head -n 2000 | tr -d '\n')" "longer than 16383 characters"
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
CONNECTX_VERBOSE=1 $space "$preload" "$library" "$@" -l 0 $memory >"$out" 2>&1 &
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
steer-many)
	# whatever the number of rules, a frame is compared under few masks and with few rules
	awk '$4 == "rx_wire:" { n = $3 } $4 == "steer_masks:" { m = $3 } $4 == "steer_rules:" { r = $3 }
		END { print n, "frames", m, "masks", r, "rules"
			exit !(n > 0 && m > 0 && m <= 6 * n && r <= 2 * m) }' "$out" ||
		{ echo "a lookup costs more than its masks"; exit 1; }
	;;
gen-filler)
	grep -q '[1-9][0-9]* rx_fillers' "$out" || { echo "no fillers"; exit 1; }
	;;
esac
exit 0
