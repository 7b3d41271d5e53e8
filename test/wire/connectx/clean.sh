#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What is left behind, and who cleans it: clean.sh LIBRARY CXTEST TOOL EAL-ARGUMENTS
# Runs in a network namespace and with a /tmp of its own (run.sh).
library=$1 program=$2 tool=$3
shift 3
eal=("$@")
logs=$(mktemp -d /tmp/logs.XXXXXX)
pids=()
n=0

end_all() {
	for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null; done
}
trap end_all EXIT

fail() {
	echo "FAILED: $*"
	[ $n = 0 ] || tail -n 20 "$logs/$n"
	ls -l /tmp
	exit 1
}

# begin HOW [VARIABLE=VALUE...]: a process that holds the NIC; $pid, and its input is fd $in
begin() {
	local how=$1
	shift
	n=$((n + 1))
	mkfifo "$logs/in$n"
	env "$@" HOLD="$how" LD_PRELOAD="$library" CONNECTX_VERBOSE=1 \
		"$program" hold -l 0 "${eal[@]}" <"$logs/in$n" >"$logs/$n" 2>&1 &
	pid=$!
	pids+=("$pid")
	exec {in}>"$logs/in$n"
}

# until_true SECONDS COMMAND...
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

holds() { grep -q '^holding' "$logs/$1"; }
holding() { until_true 60 holds $n || fail "$1: does not start"; }
# wait "$pid" gives its status; its input ends here
finish() {
	exec {in}>&-
	wait "$pid"
}
trees() { find /tmp -maxdepth 1 -name 'connectx-[0-9]*' | wc -l; }
interfaces() { ip -o link show | grep -c ' cx'; }
no_interface() { [ "$(interfaces)" = 0 ]; }
expect() {
	[ "$(trees)" = "$1" ] || fail "$2: $(trees) trees, not $1"
	no_interface || fail "$2: an interface is left"
}

echo "clean ends"
for how in cleanup started exit; do
	begin "$how"
	holding "$how"
	[ "$(trees)" = 1 ] || fail "$how: $(trees) trees"
	ls /tmp/connectx-"$pid"-*/ctl >/dev/null || fail "$how: no socket"
	finish || fail "$how: status $?"
	expect 0 "$how"
done

begin handler
holding handler
kill -TERM "$pid"
wait "$pid" || fail "handler: status $?"
exec {in}>&-
expect 0 handler

echo "ends that leave the tree"
for how in TERM KILL _exit exec; do
	case $how in
	TERM | KILL)
		begin exit
		holding "$how"
		kill -"$how" "$pid"
		wait "$pid" 2>/dev/null
		exec {in}>&-
		;;
	_exit)
		begin _exit
		holding _exit
		finish
		;;
	exec)
		# the number lives on, with another program: its tree is dead all the same
		begin exec
		holding exec
		;;
	esac
	expect 1 "$how"
	gone=$pid
	held=$in
	"$tool" -p "$gone" stats >"$logs/tool" 2>&1 && fail "$how: something answers"
	grep -q 'left behind by a process that is gone' "$logs/tool" ||
		fail "$how: the tool says $(cat "$logs/tool")"
	begin exit
	holding "after $how"
	[ "$(trees)" = 1 ] || fail "after $how: $(trees) trees"
	ls -d /tmp/connectx-"$pid"-* >/dev/null || fail "after $how: the wrong one is gone"
	finish
	[ "$how" != exec ] || { exec {held}>&-; wait "$gone"; }
	expect 0 "after $how"
done

echo "a child that outlives its parent"
begin fork
holding fork
kill -9 "$pid"
wait "$pid" 2>/dev/null
until_true 10 no_interface || fail "fork: the child keeps the interface"
"$tool" -p "$pid" stats >"$logs/tool" 2>&1 && fail "fork: the child serves"
grep -q 'left behind by a process that is gone' "$logs/tool" ||
	fail "fork: the tool says $(cat "$logs/tool")"
begin exit
holding "beside the child"
[ "$(trees)" = 1 ] || fail "the child keeps the tree"
finish
expect 0 "beside the child"

echo "daemon() after the start"
begin daemon
until_true 60 grep -q 'a forked child has no NICs' "$logs/$n" || fail "daemon: no line"
until_true 60 holds $n || fail "daemon: hangs"
exec {in}>&-
begin exit
holding "after daemon"
finish
expect 0 "after daemon"

echo "killed in the midst of the start"
RANDOM=7
for i in 1 2 3 4 5 6 7 8 9 10; do
	begin probe CONNECTX_WIRE=null
	sleep 0.$((RANDOM % 40 + 10))
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	exec {in}>&-
done
# and states that cannot be hit at will: made, not yet filled; of a number that is in use
mkdir /tmp/connectx-1-abcdef /tmp/connectx-$$-abcdef /tmp/connectx-$$-fedcba /tmp/connectx-build
mkdir -p /tmp/connectx-2-abcdef/pci/0000:03:00.0/net /tmp/elsewhere
touch /tmp/elsewhere/file
ln -s /tmp/elsewhere /tmp/connectx-3-abcdef
ln -s /tmp/elsewhere /tmp/connectx-2-abcdef/link
for i in $(seq 1000 2999); do mkdir /tmp/connectx-"$i"-zzzzzz; done
begin exit
holding "with many trees"
rm /tmp/connectx-3-abcdef
[ "$(trees)" = 1 ] || fail "$(trees) trees of 2000"
[ -d /tmp/connectx-build ] && [ -e /tmp/elsewhere/file ] || fail "too much was removed"
finish
expect 0 "many trees"

echo "many that start at once"
first=$((n + 1))
running=()
inputs=()
for i in $(seq 200); do mkdir /tmp/connectx-"$i"-yyyyyy; done
for i in 1 2 3 4 5 6; do
	begin probe CONNECTX_NICS="wire=null netdev=cxn$i"
	running+=("$pid")
	inputs+=("$in")
done
for i in $(seq $first $n); do
	until_true 60 holds "$i" || { n=$i; fail "one of many does not start"; }
done
for pid in "${running[@]}"; do
	ls /tmp/connectx-"$pid"-*/ctl >/dev/null || fail "the tree of a living process was removed"
	"$tool" -p "$pid" nics | grep -q '^mlx5_0: ' || fail "process $pid does not answer"
done
[ "$(trees)" = 6 ] || fail "$(trees) trees of 6"
[ "$("$tool" nics | grep -c '^process ')" = 6 ] || fail "the tool does not find all"
[ "$(interfaces)" = 6 ] || fail "$(interfaces) interfaces of 6"
for fd in "${inputs[@]}"; do exec {fd}>&-; done
wait "${running[@]}"
expect 0 "many that start at once"

echo "two processes, one network namespace"
begin exit CONNECTX_NETDEV=cxa
one=$pid
in_one=$in
begin exit CONNECTX_NETDEV=cxb
two=$pid
in_two=$in
until_true 60 holds $((n - 1)) || { n=$((n - 1)); fail "the first"; }
holding "the second"
for p in "$one cxa" "$two cxb"; do
	"$tool" -p "${p% *}" stats >"$logs/tool" || fail "no answer"
	grep -q "netdev ${p#* }," "$logs/tool" || fail "$(cat "$logs/tool")"
	grep -Eq 'rx_delivered +1000 ' "$logs/tool" || fail "$(cat "$logs/tool")"
done
# the same name a second time is refused, and harms nobody
begin exit CONNECTX_NETDEV=cxa
finish && fail "two processes on one interface"
[ "$(grep -c '^connectx: ' "$logs/$n")" = 1 ] || fail "not one line"
grep -q 'cxa: this TAP is held already' "$logs/$n" || fail "not the cause"
"$tool" -p "$one" nics | grep -q 'netdev cxa, .* link up, in use' || fail "the first suffered"
exec {in_one}>&- {in_two}>&-
wait "$one" "$two"
expect 0 "two processes"

echo "a user without the right, a process without a socket"
begin exit
holding "permission"
if [ "$(id -u)" = 0 ] && setpriv --reuid 65534 true 2>/dev/null; then
	setpriv --reuid 65534 "$tool" -p "$pid" stats >"$logs/tool" 2>&1 && fail "anybody may ask"
	grep -q "process $pid: no permission" "$logs/tool" || fail "$(cat "$logs/tool")"
fi
finish
"$tool" stats >"$logs/tool" 2>&1 && fail "something answers"
grep -q 'no process runs a software ConnectX' "$logs/tool" || fail "$(cat "$logs/tool")"

echo "a /tmp that cannot be written"
n=$((n + 1))
unshare -m sh -c 'mount -t tmpfs -o ro tmpfs /tmp && exec "$0" "$@"' \
	env LD_PRELOAD="$library" "$program" bad-tmp -l 0 "${eal[@]}" >"$logs/$n" 2>&1 ||
	fail "read-only /tmp: status $?"
grep -q '/tmp: Read-only file system: the model keeps its device tree there' "$logs/$n" ||
	fail "not the cause"
echo "ok"
